#include "order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 20  /* nodes that are looked at for the next batch */
#define PULL 15    /* how far behind a node its partner may lie */
#define PULL_FIRST 10
#define RUN 12     /* nodes of the longest sequence */

/* A sequence of operations that Vulkan computes as one. */
struct sequence {
    int length;
    enum ggml_op ops[RUN];
    bool recent;   /* only in ggml 0.26 and later */
    bool holds;    /* its inputs are kept until its end */
    bool scaled;   /* a scale behind it belongs to it */
    bool inside;   /* none of its nodes is moved, not only its first */
};

#define OP(name) GGML_OP_##name
/* In the order in which they are tried. */
static const struct sequence sequences[] = {
    {10, {OP(SOFT_MAX), OP(RESHAPE), OP(ARGSORT), OP(VIEW), OP(GET_ROWS), OP(RESHAPE), OP(SUM_ROWS), OP(CLAMP),
          OP(DIV), OP(RESHAPE)}, .holds = true, .scaled = true},
    {11, {OP(UNARY), OP(RESHAPE), OP(ADD), OP(ARGSORT), OP(VIEW), OP(GET_ROWS), OP(RESHAPE), OP(SUM_ROWS),
          OP(CLAMP), OP(DIV), OP(RESHAPE)}, .holds = true, .scaled = true},
    {12, {OP(UNARY), OP(SQRT), OP(RESHAPE), OP(ADD), OP(ARGSORT), OP(VIEW), OP(GET_ROWS), OP(RESHAPE),
          OP(SUM_ROWS), OP(CLAMP), OP(DIV), OP(RESHAPE)}, .recent = true, .holds = true, .scaled = true},
    {5, {OP(SOFT_MAX), OP(RESHAPE), OP(ARGSORT), OP(VIEW), OP(GET_ROWS)}, .holds = true, .scaled = true},
    {6, {OP(ARGSORT), OP(VIEW), OP(GET_ROWS), OP(RESHAPE), OP(SOFT_MAX), OP(RESHAPE)}, .holds = true,
     .scaled = true},
    {5, {OP(MUL), OP(SIN), OP(SQR), OP(MUL), OP(ADD)}, .recent = true},
    {7, {OP(GET_ROWS), OP(PERMUTE), OP(CONT), OP(CPY), OP(RESHAPE), OP(ADD), OP(TOP_K)}, .recent = true,
     .inside = true},
    {4, {OP(RMS_NORM), OP(MUL), OP(ADD), OP(MUL)}, .recent = true},
    {3, {OP(RMS_NORM), OP(MUL), OP(ADD)}, .recent = true},
    {5, {OP(RMS_NORM), OP(MUL), OP(ROPE), OP(VIEW), OP(SET_ROWS)}, .recent = true},
    {3, {OP(RMS_NORM), OP(VIEW), OP(SET_ROWS)}, .recent = true},
    {3, {OP(ROPE), OP(VIEW), OP(SET_ROWS)}, .recent = true},
};

struct plan {
    struct ggml_tensor **nodes;
    int count;
    bool recent;
    keep_until keep;
    void *user_data;
    bool *done;                   /* has its place, or is pulled into the current batch */
    struct ggml_tensor **ordered; /* the new order so far */
    int placed;
    int *batch;                   /* indices of the nodes that run at the same time */
    int size;
};

static int least(int a, int b) {
    return a < b ? a : b;
}

static bool is(const struct plan *plan, int index, enum ggml_op op) {
    return index >= 0 && plan->nodes[index]->op == op;
}

/* Nodes that only look at another tensor in another way. */
static bool is_view(const struct ggml_tensor *node) {
    switch (node->op) {
    case GGML_OP_NONE:
    case GGML_OP_RESHAPE:
    case GGML_OP_TRANSPOSE:
    case GGML_OP_VIEW:
    case GGML_OP_PERMUTE:
        return true;
    default:
        return false;
    }
}

static const struct ggml_tensor *storage(const struct ggml_tensor *tensor) {
    return tensor->view_src ? tensor->view_src : tensor;
}

/* Whether `later` must stay behind `earlier`. */
static bool depends(const struct plan *plan, const struct ggml_tensor *later, const struct ggml_tensor *earlier) {
    const bool through_views = plan->recent && !is_view(later) && !is_view(earlier);
    for (int s = 0; s < GGML_MAX_SRC; s++) {
        const struct ggml_tensor *read = later->src[s], *read_before = earlier->src[s];
        if (read == earlier) {
            return true;
        }
        if (through_views && ((read && storage(read) == storage(earlier)) ||
                              (read_before && storage(later) == storage(read_before)))) {
            return true;
        }
    }
    return storage(later) == storage(earlier);
}

static bool starts(const struct plan *plan, const struct sequence *sequence, int at) {
    if ((sequence->recent && !plan->recent) || at < 0 || at + sequence->length > plan->count) {
        return false;
    }
    for (int i = 0; i < sequence->length; i++) {
        if (plan->nodes[at + i]->op != sequence->ops[i] || plan->done[at + i]) {
            return false;
        }
    }
    return true;
}

static const struct sequence *sequence_at(const struct plan *plan, int at) {
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        if (starts(plan, &sequences[i], at)) {
            return &sequences[i];
        }
    }
    return NULL;
}

/* A node that a sequence wants where it is. */
static bool held_in_place(const struct plan *plan, int at) {
    if (sequence_at(plan, at) != NULL) {
        return true;
    }
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        for (int back = 1; sequences[i].inside && back < sequences[i].length; back++) {
            if (starts(plan, &sequences[i], at - back)) {
                return true;
            }
        }
    }
    return false;
}

static void place(struct plan *plan, int index) {
    plan->ordered[plan->placed++] = plan->nodes[index];
    plan->done[index] = true;
}

/* The inputs of a sequence that come from outside of it stay until its last node is computed. */
static void hold_inputs(const struct plan *plan, const struct sequence *sequence, int at) {
    int last = at + sequence->length - 1;
    if (sequence->scaled && last + 1 < plan->count && is(plan, last + 1, GGML_OP_SCALE)) {
        last++;
    }
    for (int i = 0; i < sequence->length; i++) {
        for (int s = 0; s < GGML_MAX_SRC; s++) {
            struct ggml_tensor *read = plan->nodes[at + i]->src[s];
            bool own = false;
            for (int j = 0; j < i; j++) {
                own = own || plan->nodes[at + j] == read;
            }
            if (read != NULL && !own) {
                plan->keep(plan->user_data, read, plan->nodes[last]);
            }
        }
    }
}

/* Weights, or computed before this batch. */
static bool available(const struct plan *plan, const struct ggml_tensor *tensor) {
    if (tensor->op == GGML_OP_NONE) {
        return true;
    }
    for (int i = plan->placed - 1; i >= 0; i--) {
        if (plan->ordered[i] == tensor) {
            return true;
        }
    }
    return false;
}

static bool only_views_between(const struct plan *plan, int from, int to) {
    for (int i = from; i < to; i++) {
        if (!plan->done[i] && !is_view(plan->nodes[i])) {
            return false;
        }
    }
    return true;
}

/* Whether Vulkan computes `first` and `second` as one, so that the second may follow in the same batch. */
static bool fused(const struct plan *plan, int first, int second) {
    if (plan->batch[plan->size - 1] != first) {
        return false;
    }
    if (plan->recent && is(plan, second, GGML_OP_MUL) &&
        (is(plan, first, GGML_OP_RMS_NORM) || is(plan, first, GGML_OP_UNARY))) {
        return only_views_between(plan, first + 1, second);
    }
    if (second != first + 1) {
        return false;
    }
    switch (plan->nodes[first]->op) {
    case GGML_OP_RMS_NORM:
        return is(plan, second, GGML_OP_MUL);
    case GGML_OP_MUL_MAT:
    case GGML_OP_ADD:
        return is(plan, second, GGML_OP_ADD);
    case GGML_OP_MUL_MAT_ID:
        return is(plan, second, GGML_OP_ADD_ID) || is(plan, second, GGML_OP_MUL);
    case GGML_OP_SSM_CONV:
        return plan->recent && (is(plan, second, GGML_OP_ADD) || is(plan, second, GGML_OP_UNARY));
    default:
        return false;
    }
}

static bool in_batch(const struct plan *plan, int index) {
    for (int i = 0; i < plan->size; i++) {
        if (plan->batch[i] == index) {
            return true;
        }
    }
    return false;
}

static void add(struct plan *plan, int index) {
    plan->batch[plan->size++] = index;
}

/* Into the batch although what it needs is in the same batch: they are computed as one. */
static void pull(struct plan *plan, int index) {
    add(plan, index);
    plan->done[index] = true;
}

/* The first node after `from` that does `op` on its result, with a second input that is there; or -1. */
static int partner(const struct plan *plan, int from, enum ggml_op op, bool second_input) {
    for (int k = from + 1; k < least(from + PULL, plan->count); k++) {
        const struct ggml_tensor *node = plan->nodes[k];
        if (node->op == op && node->src[0] == plan->nodes[from] && (!second_input || available(plan, node->src[1]))) {
            return k;
        }
    }
    return -1;
}

/* A rotation whose other inputs are no results. */
static int rotation(const struct plan *plan, int from) {
    for (int k = from + 1; k < least(from + PULL, plan->count); k++) {
        const struct ggml_tensor *node = plan->nodes[k];
        if (node->op == GGML_OP_ROPE && node->src[0] == plan->nodes[from] && node->src[1]->op == GGML_OP_NONE &&
            (node->src[2] == NULL || node->src[2]->op == GGML_OP_NONE)) {
            return k;
        }
    }
    return -1;
}

static int uses(const struct plan *plan, const struct ggml_tensor *tensor) {
    int found = 0;
    for (int i = 0; i < plan->count; i++) {
        for (int s = 0; s < GGML_MAX_SRC; s++) {
            found += plan->nodes[i]->src[s] == tensor;
        }
    }
    return found;
}

/* Whether nobody but the writing of rows needs what is rotated and its view, and nothing before it is needed. */
static bool rows_may_move(const struct plan *plan, int from, int view, int rows) {
    const struct ggml_tensor *source = plan->nodes[from], *seen = plan->nodes[view];
    const int computed = GGML_TENSOR_FLAG_COMPUTE;
    if ((source->flags & seen->flags & plan->nodes[rows]->flags & computed) == 0 ||
        ((source->flags | seen->flags) & GGML_TENSOR_FLAG_OUTPUT) != 0) {
        return false;
    }
    if (uses(plan, source) != 1 || uses(plan, seen) != 1 || seen->view_src != source || source->view_src != NULL) {
        return false;
    }
    for (int c = from + 1; c < rows; c++) {
        if (!plan->done[c] && c != view && !is_view(plan->nodes[c]) &&
            depends(plan, plan->nodes[rows], plan->nodes[c])) {
            return false;
        }
    }
    return true;
}

/* What is rotated (or normalised) and then written into rows of a cache is computed as one. */
static void pull_rows(struct plan *plan, int from) {
    int view = -1;
    const int end = least(from + (plan->recent ? PULL : PULL_FIRST), plan->count);
    for (int k = from + 1; k < end; k++) {
        if (plan->recent && plan->done[k]) {
            continue;
        }
        if (view < 0 && is(plan, k, GGML_OP_VIEW) && plan->nodes[k]->src[0] == plan->nodes[from]) {
            view = k;
        } else if (view >= 0 && is(plan, k, GGML_OP_SET_ROWS) && plan->nodes[k]->src[0] == plan->nodes[view]) {
            if (!plan->recent || rows_may_move(plan, from, view, k)) {
                pull(plan, view);
                pull(plan, k);
            }
            return;
        }
    }
}

/* A product with the result of a function of one argument. */
static int product(const struct plan *plan, int from) {
    const struct ggml_tensor *function = plan->nodes[from];
    const enum ggml_unary_op kind = ggml_get_unary_op(function);
    if (kind != GGML_UNARY_OP_GELU && kind != GGML_UNARY_OP_SIGMOID && kind != GGML_UNARY_OP_SILU &&
        kind != GGML_UNARY_OP_SOFTPLUS) {
        return -1;
    }
    if (function->type != GGML_TYPE_F32 && function->type != GGML_TYPE_F16) {
        return -1;
    }
    for (int k = from + 1; k < least(from + PULL, plan->count); k++) {
        const struct ggml_tensor *node = plan->nodes[k];
        if (node->op != GGML_OP_MUL || (node->src[0] != function && node->src[1] != function)) {
            continue;
        }
        const struct ggml_tensor *other = node->src[0] == function ? node->src[1] : node->src[0];
        if (!available(plan, other) || node->type != function->type || other->type != function->type ||
            !ggml_is_contiguous_1(other) || !ggml_is_contiguous_1(function->src[0])) {
            continue;
        }
        const struct ggml_tensor *tile = node->src[0] == function ? other : function;
        if (ggml_can_repeat(tile, node->src[0])) {
            return k;
        }
    }
    return -1;
}

/* What is computed as one with a node that has just come into the batch comes with it. */
static void pull_partners(struct plan *plan, int node) {
    int from = node, found = -1;
    if (is(plan, node, GGML_OP_MUL) && is(plan, node - 1, GGML_OP_RMS_NORM) && (found = rotation(plan, node)) >= 0) {
        pull(plan, found);
        from = found;
    }
    if (is(plan, from, GGML_OP_ROPE) || (plan->recent && is(plan, from, GGML_OP_RMS_NORM))) {
        pull_rows(plan, from);
    }
    found = -1;
    if (is(plan, node, GGML_OP_ADD_ID) && is(plan, node - 1, GGML_OP_MUL_MAT_ID)) {
        found = partner(plan, node, GGML_OP_MUL, true);
    } else if (is(plan, node, GGML_OP_ADD) && is(plan, node - 1, GGML_OP_MUL_MAT)) {
        found = partner(plan, node, GGML_OP_ADD, true);
    } else if (plan->recent && is(plan, node, GGML_OP_ADD) && is(plan, node - 1, GGML_OP_SSM_CONV)) {
        found = partner(plan, node, GGML_OP_UNARY, false);
    } else if (plan->recent && is(plan, node, GGML_OP_UNARY)) {
        found = product(plan, node);
    }
    if (found >= 0) {
        pull(plan, found);
    }
}

/* Whether a node waits for one between `first` and it that has no place yet. */
static bool waits(const struct plan *plan, int first, int node, bool views) {
    for (int c = first; c < node; c++) {
        if (plan->done[c] || !depends(plan, plan->nodes[node], plan->nodes[c])) {
            continue;
        }
        if (views ? !in_batch(plan, c) : !fused(plan, c, node)) {
            return true;
        }
    }
    return false;
}

static void fill_batch(struct plan *plan, int first) {
    const int end = least(first + WINDOW, plan->count);
    plan->size = 0;
    add(plan, first);
    for (int j = first + 1; j < end; j++) {
        if (!plan->done[j] && !is_view(plan->nodes[j]) && !held_in_place(plan, j) && !waits(plan, first, j, false)) {
            add(plan, j);
            pull_partners(plan, j);
        }
    }
    /* Views come last, unless they would part a sum from what follows it. */
    if (is(plan, plan->batch[plan->size - 1], GGML_OP_ADD)) {
        return;
    }
    for (int j = first + 1; j < end; j++) {
        if (!plan->done[j] && is_view(plan->nodes[j]) && !waits(plan, first, j, true)) {
            add(plan, j);
        }
    }
}

static void order(struct plan *plan) {
    int first = 0;
    while (first < plan->count) {
        const struct sequence *sequence = sequence_at(plan, first);
        if (sequence != NULL) {
            if (plan->recent && sequence->holds) {
                hold_inputs(plan, sequence, first);
            }
            for (int i = 0; i < sequence->length; i++) {
                place(plan, first + i);
            }
        } else {
            fill_batch(plan, first);
            for (int i = 0; i < plan->size; i++) {
                place(plan, plan->batch[i]);
            }
        }
        while (first < plan->count && plan->done[first]) {
            first++;
        }
    }
}

static void run(struct plan plan) {
    const size_t count = (size_t) plan.count;
    plan.done = calloc(count, sizeof(*plan.done));
    plan.ordered = calloc(count, sizeof(struct ggml_tensor *));
    plan.batch = calloc(count, sizeof(*plan.batch));
    if (plan.done != NULL && plan.ordered != NULL && plan.batch != NULL) {
        order(&plan);
        memcpy(plan.nodes, plan.ordered, count * sizeof(struct ggml_tensor *));
    }
    free(plan.done);
    free(plan.ordered);
    free(plan.batch);
}

void order_vulkan_first(struct ggml_tensor **nodes, int count) {
    run((struct plan) {.nodes = nodes, .count = count});
}

void order_vulkan_recent(struct ggml_tensor **nodes, int count, keep_until keep, void *user_data) {
    run((struct plan) {.nodes = nodes, .count = count, .recent = true, .keep = keep, .user_data = user_data});
}

"""What a hub refuses, as an error with the next step."""

from __future__ import annotations

from strixkit.runtime.tokens import may_carry_token
from strixkit.sources.hub_http import Answer, Hub, HubError
from strixkit.sources.ranges import shown


def refusal(hub: Hub, answer: Answer, repo: str, what: str) -> HubError:
    """The error for an answer that is not what was asked for; what: the revision or the file."""
    status, code = answer.status, answer.header("X-Error-Code")
    page = f"{hub.endpoint}/{repo}"
    get_token = f"a token of {hub.endpoint}/settings/tokens as HF_TOKEN, or by: hf auth login"
    sent = hub.token is not None and may_carry_token(hub.endpoint)
    if hub.token and not sent:
        get_token = "HF_ENDPOINT as https://...: over http the token is not sent"
    if code == "GatedRepo":
        why, hint = "is gated: its owner wants terms accepted", f"accept them on {page}; then {get_token}"
    elif code == "RevisionNotFound":
        why, hint = f"has no {what}", f"correct ref: in the model's file; all of them: {page}/tree/main"
    elif code == "EntryNotFound":
        why, hint = f"has no file {what}", f"correct the name in the model's file; all of them: {page}/tree/main"
    elif code == "RepoNotFound" or status == 404:
        why = "does not exist, or is private" + (", and the token does not open it" if sent else "")
        hint = f"correct repo: in the model's file; for a private one: {get_token}"
    elif status in (401, 403):
        why, hint = f"is not shown {'for this token' if sent else 'without a token'} (HTTP {status})", get_token
    elif status == 429:
        wait = answer.header("Retry-After")
        later = f"in {int(wait)} s" if wait.isascii() and wait.isdecimal() and len(wait) < 8 else "in some minutes"
        why, hint = "is not shown: the hub wants fewer requests (HTTP 429)", f"the same command {later}"
    else:
        message = answer.header("X-Error-Message")
        said = f": {message!r:.200}" if message else ""
        why = f"is not shown: {shown(answer.url)} answers with HTTP {status}{said}"
        hint = "the same command again, later"
    return HubError(f"{repo} {why}", hint=hint)

"""What strix-probe measured, beside the most that the device and a model could do; and the JSON of the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strixkit.display.columns import columns
from strixkit.display.text import one_line
from strixkit.fleet.probe import Decoding
from strixkit.planner.ceiling import Ceiling
from strixkit.runtime.probe import Probe, Product

SOFTWARE = "SOFTWARE: computed on the processor, and says nothing of a GPU"


def lines(host: str, probe: Probe, decoding: Sequence[Decoding] = ()) -> list[str]:
    """The device, a table of measured rates and errors, the verdict, a table of decode ceilings."""
    device = probe.device
    found = [f"{host}: {one_line(device.name)}, {one_line(device.driver)} {one_line(device.driver_version)}"]
    if device.software:
        found.append(f"  {SOFTWARE}")
    found += [f"  {line}" for line in columns(_measured(probe), right=(1, 2, 3))]
    found.append(f"{host}: {one_line(probe.verdict)}")
    if decoding:
        found.append(f"{host}: decoding at most, at the measured {probe.read.gbps:.1f} GB/s:")
        found += [f"  {line}" for line in columns(_decoding(decoding), right=(1, 2, 3, 4))]
    return found


def _measured(probe: Probe) -> list[list[str]]:
    peak = f"{probe.peak.gbps:.0f}" if probe.peak else "not known"
    rows = [["measured", "GB/s", "at most", "%", "right"]]
    for item in probe.bandwidth:
        rows.append([item.name, f"{item.gbps:.1f}", peak, _percent(item.percent), "yes" if item.right else "WRONG"])
    for product in probe.matvec:
        name = f"{one_line(product.name)} {product.layout} {product.input}"
        speed = "" if product.gbps is None else f"{product.gbps:.1f}"
        most = peak if speed else ""
        rows.append([name, speed, most, _percent(product.percent), _error(product)])
    return rows


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _error(product: Product) -> str:
    error = "not a number" if product.relative_error is None else f"{product.relative_error:.1e}"
    bound = "none" if product.relative_bound is None else f"{product.relative_bound:.1e}"
    return f"{'yes' if product.right else 'WRONG'}: error {error} of {bound}"


def _decoding(decoding: Sequence[Decoding]) -> list[list[str]]:
    rows = [["model", "GB a token", "tokens/s", "GB a step", "tokens/s with drafts"]]
    for item in decoding:
        row = [one_line(item.what), f"{item.plain.traffic.total / 1e9:.2f}", f"{item.plain.tokens_per_second:.1f}"]
        if item.drafted is None:
            rows.append([*row, "", ""])
            continue
        drafted = (
            f"{item.drafted.tokens_per_second:.1f} ({item.drafts} drafts, {item.drafted.tokens:.2f} tokens a step)"
        )
        rows.append([*row, f"{item.drafted.traffic.total / 1e9:.2f}", drafted])
    return rows


def document(host: str, probe: Probe, decoding: Sequence[Decoding] = ()) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "host": host,
        "probe": probe.model_dump(mode="json", by_alias=True),
        "decoding": [
            {
                "what": item.what,
                "drafts": item.drafts,
                "plain": _ceiling(item.plain),
                "drafted": _ceiling(item.drafted) if item.drafted else None,
            }
            for item in decoding
        ],
    }


def _ceiling(item: Ceiling) -> dict[str, float]:
    return {
        "bytes": item.traffic.total,
        "tokens": item.tokens,
        "gbps": item.gbps,
        "tokens_per_second": item.tokens_per_second,
    }

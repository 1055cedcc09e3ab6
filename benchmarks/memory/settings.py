"""The settings of a server that its memory depends on: as words of its command line, and as the planner's run."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from strixkit.planner.run import CacheTypes, Family, Run


class Settings(BaseModel):
    """In tokens, unless the name says otherwise.

    kv, draft_kv: types as the planner has them, `q8_0` or `q8_0/f16` (K/V). draft_max: -1 for no drafting.
    prompts: lengths of the prompts that are sent once the server is ready, each with another beginning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    context: int = 4096
    batch: int = 2048
    micro: int = 512
    parallel: int = 1
    unified: bool = False
    kv: str = "f16"
    draft_kv: str = "f16"
    draft_max: int = -1
    checkpoints: int = 0
    checkpoint_every: int = 8192
    cache_ram_mib: int = 0
    flash_attention: bool = True
    prompts: tuple[int, ...] = ()

    def run(self, family: Family, device: str) -> Run:
        """The same for the planner, on a device by the server's name of it; its backend is that of the name."""
        return Run(
            family=family,
            hip=device.startswith("ROCm"),
            context=self.context,
            parallel=self.parallel,
            batch=self.batch,
            micro=self.micro,
            kv=CacheTypes.of(self.kv),
            draft_kv=CacheTypes.of(self.draft_kv),
            draft_max=self.draft_max,
            checkpoints=self.checkpoints,
            checkpoint_every=self.checkpoint_every,
            cache_ram_mib=self.cache_ram_mib,
            flash_attention=self.flash_attention,
            unified=self.unified,
            cpu=device == "CPU",
        )

    def words(self, family: Family, device: str) -> list[str]:
        """The same for the server's command line. `device`: "CPU" for none."""
        place = ["-dev", "none", "-ngl", "0"] if device == "CPU" else ["-dev", device, "-ngl", "999"]
        kv = CacheTypes.of(self.kv)
        every = "--checkpoint-min-step" if family == "upstream" else "--checkpoint-every-n-tokens"
        words = [
            *place,
            *("-fit", "off", "-fa", "on" if self.flash_attention else "off"),
            *("-c", str(self.context), "-b", str(self.batch), "-ub", str(self.micro)),
            *("-np", str(self.parallel), "-kvu" if self.unified else "-no-kvu"),
            *("-ctk", kv.k, "-ctv", kv.v),
            *("-ctxcp", str(self.checkpoints), every, str(self.checkpoint_every), "-cram", str(self.cache_ram_mib)),
        ]
        if self.draft_max < 0:
            return words
        draft_kv = CacheTypes.of(self.draft_kv)
        words += ["--spec-type", "draft-mtp", "--spec-draft-n-max", str(self.draft_max)]
        words += ["-ctkd", draft_kv.k, "-ctvd", draft_kv.v]
        return words if device == "CPU" else [*words, "--spec-draft-device", device]

#!/usr/bin/env python3
"""A FAKE grubby, for boxes of Debian: no Fedora can be had here.

It plays what grubby(8) says of --info=ALL and --update-kernel=ALL with --remove-args and --args, on the entries in
/boot/loader/entries, as Fedora's own does (grubby-bls). What the real one does besides is not tested by it.
"""

import glob
import sys

ENTRIES = "/boot/loader/entries/*.conf"


def fields(path: str) -> "list[list[str]]":
    with open(path) as handle:
        return [line.rstrip("\n").split(None, 1) for line in handle if line.strip()]


def info() -> None:
    for index, path in enumerate(sorted(glob.glob(ENTRIES))):
        entry = {row[0]: row[1] if len(row) > 1 else "" for row in fields(path)}
        words = entry["options"].split()
        print(f'index={index}\nkernel="{entry["linux"]}"')
        print(f'args="{" ".join(word for word in words if not word.startswith("root="))}"')
        print(f'root="{next((word[5:] for word in words if word.startswith("root=")), "")}"')
        print(f'initrd="{entry["initrd"]}"\ntitle="{entry["title"]}"\nid="{index}"')


def update(remove: "list[str]", add: "list[str]") -> None:
    for path in sorted(glob.glob(ENTRIES)):
        rows = fields(path)
        for row in rows:
            if row[0] == "options":
                kept = [w for w in row[1].split() if w not in remove and w.partition("=")[0] not in remove]
                row[1] = " ".join([*kept, *add])
        with open(path, "w") as handle:
            handle.write("".join(" ".join(row) + "\n" for row in rows))


options = dict(argument.lstrip("-").partition("=")[::2] for argument in sys.argv[1:])
if options.get("info") == "ALL":
    info()
elif options.pop("update-kernel", "") == "ALL" and set(options) <= {"remove-args", "args"}:
    update(options.get("remove-args", "").split(), options.get("args", "").split())
else:
    sys.exit(f"grubby: this fake does not know {sys.argv[1:]}")

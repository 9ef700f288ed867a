"""unblob by itself, with our readers plugged in: extraction only, the yardstick of `make bench`.

    python bench/unblob_alone.py [IMAGE...]        (the images of CUSTOMHOUSE_CORPUS without arguments)

Each image runs in a process of its own. Prints a table, or with --json one JSON line an image: wall and CPU seconds,
peak memory of the largest process in MiB, files that came out.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def extract(image: Path, folder: Path) -> int:
    """Runs in the child. Returns how many files came out."""
    import structlog
    from unblob.processing import ExtractionConfig, process_file

    from customhouse.firmware.unpack.unblob_adapter import handlers

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    inputs = sorted(path for path in image.rglob("*") if path.is_file()) if image.is_dir() else [image]
    for path in inputs:
        target = folder / path.name
        target.mkdir()
        config = ExtractionConfig(
            extract_root=target,
            force_extract=False,
            randomness_depth=1,
            handlers=handlers(),
            process_num=os.cpu_count() or 1,
        )
        process_file(config, path)
    return sum(len(files) for _, _, files in os.walk(folder))


def measure(image: Path) -> dict[str, object]:
    """One image in a child process."""
    with tempfile.TemporaryDirectory() as folder:
        bins = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        child = subprocess.run(
            [sys.executable, __file__, "--child", folder, str(image)],
            env={**os.environ, "PATH": bins},
            capture_output=True,
            text=True,
            check=False,
        )
        wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if child.returncode:
        return {"image": image.name, "error": child.stderr.strip().splitlines()[-1:]}
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    answer = json.loads(child.stdout.strip().splitlines()[-1])
    return {"image": image.name, "wall": round(wall, 2), "cpu": round(cpu, 2), **answer}


def corpus_images() -> list[Path]:
    named = os.environ.get("CUSTOMHOUSE_CORPUS")
    if not named:
        sys.exit("set CUSTOMHOUSE_CORPUS, or name images")
    return sorted(path for path in Path(named, "images").iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        files = extract(wanted.images[0], wanted.child)
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(json.dumps({"peak": peak // 1024, "files": files}))
        return
    for image in wanted.images or corpus_images():
        answer = measure(image)
        print(json.dumps(answer) if wanted.json else "  ".join(f"{value!s:>8}" for value in answer.values()))


if __name__ == "__main__":
    main()

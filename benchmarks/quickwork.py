"""What speed.py --quick measures on."""

import argparse
from pathlib import Path


def quick(options: argparse.Namespace, folder: Path) -> argparse.Namespace:
    """A work of made-up pieces, small enough to see soon that all parts run."""
    options.work, options.out = folder / "work", folder / "out"
    options.rounds, options.seconds = 1, 1.0
    # One of each kind: what differs from these in a setting runs as they do.
    options.tools = ["seqgen", "seqgen, input feeding", "seqgen --int8", "tutorial loop"]
    options.work.mkdir()
    options.out.mkdir()
    numbers = [f"\u2581{number}" for number in range(50)]
    for split, count in (("train", 600), ("val", 20), ("test", 20)):
        for language in ("en", "de"):
            rows = (" ".join(numbers[(7 * row + at) % 50] for at in range(3 + row % 9))
                    for row in range(count))  # fmt: skip
            text = "".join(f"{row}\n" for row in rows)
            (options.work / f"{split}.{language}").write_text(text, encoding="utf-8")
    options.words = folder / "words.tsv"
    lines = (f"{number}\t{' '.join(str(number))}\n" for number in range(1000, 2000))
    options.words.write_text("".join(lines), encoding="utf-8")
    pieces = ["<pad>", "<unk>", "<s>", "</s>", *numbers]
    (options.work / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return options

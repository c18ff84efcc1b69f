"""Multi30k in the pieces that seqgen and its peers are timed on.

    python benchmarks/pieces.py RAW WORK

learns one SentencePiece BPE model of 8,000 pieces from both sides of RAW/train.{en,de} and writes
to WORK: spm.model; vocab.txt, a piece a line in the order of their ids; {train,val,test}.{en,de},
a sentence a line, its pieces joined by spaces. The test split is test_2016_flickr.
"""

import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import sentencepiece

SPLITS = {"train": "train", "val": "val", "test": "test_2016_flickr"}
LANGUAGES = ("en", "de")
SIZE = 8000


def main(raw: Path, work: Path) -> None:
    """Write the folder of pieces and say how many there are."""
    work.mkdir(parents=True, exist_ok=True)
    model = learned([raw / f"train.{language}" for language in LANGUAGES])
    (work / "spm.model").write_bytes(model)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    write_lines(work / "vocab.txt", pieces)
    for ours, theirs in SPLITS.items():
        for language in LANGUAGES:
            sentences = read_lines(raw / f"{theirs}.{language}")
            lines = [" ".join(row) for row in processor.encode(sentences, out_type=str)]
            write_lines(work / f"{ours}.{language}", lines)
            # Every sentence ends in one EOS, which a target predicts too.
            tokens = sum(len(line.split(" ")) + 1 for line in lines)
            print(f"{ours}.{language}: {len(lines)} sentences, {tokens} pieces and ends")


def learned(files: list[Path]) -> bytes:
    """The model of `SIZE` pieces."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        input=[str(file) for file in files],
        model_writer=model,
        model_type="bpe",
        vocab_size=SIZE,
        character_coverage=1.0,
        # The pieces depend on the number of threads.
        num_threads=1,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        minloglevel=2,
    )
    return model.getvalue()


def read_lines(path: Path) -> list[str]:
    """The lines of a file; only a newline ends a line."""
    return path.read_text("utf-8").removesuffix("\n").split("\n")


def write_lines(path: Path, lines: list[str]) -> None:
    """Write a line for each."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def described(words: Path) -> dict[str, Any]:
    """What tells one file of words from another."""
    text = words.read_bytes()
    digest = hashlib.sha256(text).hexdigest()[:12]
    return {"file": words.name, "lines": len(text.splitlines()), "sha256": digest}


def spelled(words: Path, folder: Path) -> None:
    """The words and their symbols as sentences of pieces, as the driver of seqgen takes them."""
    lines = [line.split("\t") for line in words.read_text("utf-8").splitlines()]
    sides = {"en": [" ".join(word) for word, _ in lines], "de": [symbols for _, symbols in lines]}
    for language, texts in sides.items():
        for split, part in (("train", texts), ("val", texts[:100])):
            write_lines(folder / f"{split}.{language}", part)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))

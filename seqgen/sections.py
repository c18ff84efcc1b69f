"""Settings of data, tokenizers and decoding, each written once: name, type, meaning, check."""

from dataclasses import dataclass
from typing import Literal

from seqgen.errors import ConfigError
from seqgen.settings import Section, setting

Weights = Literal["float32", "float16", "int8"]  # how a file stores matrices


@dataclass(frozen=True)
class DataConfig(Section):
    """Where the pairs of texts come from."""

    dataset: str = setting("", "Hub name, folder or file; empty: the embedded normalize data")
    dataset_config: str = setting(
        "", "configuration of a Hub dataset", flags=("--dataset-config-name",)
    )
    revision: str = setting("", "branch, tag or commit of a Hub dataset")
    source: str = setting(
        "", "source column: name, number or language", flags=("--source-lang", "-s")
    )
    target: str = setting(
        "", "target column: name, number or language", flags=("--target-lang", "-t")
    )
    train_file: str = setting("", "training file; two parallel text files as A,B, or their prefix")
    validation_file: str = setting("", "validation file, given like the training file")
    test_file: str = setting("", "test file, given like the training file")
    train_split: str = setting("train", "split to train on")
    validation_split: str = setting("", "split to validate on; empty: found, or held out of train")
    test_split: str = setting("", "split to evaluate on at the end; empty: found")
    group: str = setting("", "column whose values evaluation reports separately")
    bleu_tokenizer: Literal["13a", "none", "intl", "char", "zh"] = setting(
        "13a", "how sacreBLEU takes texts apart; none for data that are tokenized already"
    )
    max_train_samples: int = setting(0, "use only the first pairs of train; 0: all", minimum=0)
    max_eval_samples: int = setting(0, "use only the first pairs of validation; 0: all", minimum=0)
    max_predict_samples: int = setting(0, "use only the first pairs of test; 0: all", minimum=0)
    max_source_length: int = setting(1024, "longest source to train on, in tokens", minimum=1)
    max_target_length: int = setting(256, "longest target to train on, in tokens", minimum=1)
    num_proc: int = setting(
        0,
        "threads that turn the pairs into ids; 0: one a core",
        minimum=0,
        maximum=1024,
        flags=("--preprocessing-num-workers",),
    )


@dataclass(frozen=True)
class TokenizerConfig(Section):
    """How text becomes ids."""

    units: Literal["unigram", "bpe", "char", "word"] = setting("unigram", "SentencePiece algorithm")
    target_units: Literal["same", "unigram", "bpe", "char", "word"] = setting(
        "same", "algorithm of the target side, where it is another"
    )
    vocabulary: int = setting(0, "pieces a side; 0: sized to the data", minimum=0, maximum=10**7)
    joint: bool = setting(True, "one vocabulary for both sides")
    byte_fallback: bool = setting(True, "spell characters without a piece as bytes")
    split_digits: bool = setting(True, "one piece a digit")
    coverage: float = setting(0.9999, "share of characters with a piece", minimum=0.9, maximum=1)
    normalization: Literal["identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf"] = setting(
        "identity", "Unicode normalization before the pieces; _cf also folds case"
    )
    source_form: Literal["none", "NFC", "NFD", "NFKC"] = setting(
        "none", "Unicode form in which sources are read; NFD takes Hangul apart into jamo"
    )
    target_form: Literal["none", "NFC", "NFD", "NFKC"] = setting(
        "none", "Unicode form in which targets are learned; outputs are then NFC"
    )
    lowercase: Literal["none", "source", "target", "both"] = setting(
        "none", "sides that are lowercased; references are then compared lowercased"
    )
    recase: bool = setting(
        False, "give words of a lowercased target the case that they mostly have in training texts"
    )
    subword_sampling: float = setting(
        0.0,
        "draw the pieces of training texts anew each epoch: share of BPE merges left out, or "
        "alpha of unigram, where less varies more; 0: never",
        minimum=0,
        maximum=1,
    )
    subword_side: Literal["source", "target", "both"] = setting("both", "texts that it is for")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.joint and self.target_units not in ("same", self.units):
            raise ConfigError(
                f"tokenizer.target_units is {self.target_units!r} and tokenizer.units "
                f"{self.units!r}, but tokenizer.joint has one vocabulary for both; --no-joint"
            )
        target = self.units if self.target_units == "same" else self.target_units
        if self.recase and self.lowercase not in ("target", "both"):
            raise ConfigError(
                f"tokenizer.recase gives case back to outputs, which tokenizer.lowercase = "
                f"{self.lowercase!r} never takes; --lowercase target or both does"
            )
        both = {"source": self.units, "target": target}
        for side, units in both.items():
            drawn = self.subword_sampling and self.subword_side in (side, "both")
            if drawn and units in ("char", "word"):
                raise ConfigError(
                    f"tokenizer.subword_sampling draws one of many ways to cut a text, of which "
                    f"tokenizer.units = {units!r} has one; unigram and bpe have many"
                )


@dataclass(frozen=True)
class DecodeConfig(Section):
    """How text is found once the model is trained."""

    beam_size: int = setting(
        1,
        "hypotheses kept a sentence; 1: greedy",
        minimum=1,
        maximum=1024,
        flags=("--num-beams", "-b"),
    )
    nbest: int = setting(1, "hypotheses returned a sentence", minimum=1, maximum=1024)
    length_penalty: float = setting(1.0, "GNMT length penalty, alpha", minimum=0, maximum=10)
    coverage_penalty: float = setting(0.0, "GNMT coverage penalty, beta", minimum=0, maximum=10)
    sample: bool = setting(False, "draw tokens instead of searching")
    temperature: float = setting(1.0, "sampling temperature", minimum=1e-3, maximum=1e3)
    top_k: int = setting(0, "draw from the likeliest k tokens; 0: all", minimum=0)
    top_p: float = setting(
        1.0, "draw from the likeliest tokens of this mass", minimum=1e-9, maximum=1
    )
    sample_seed: int = setting(1, "seed of the draws", minimum=0, maximum=2**31)
    max_length: int = setting(
        0,
        "longest output in tokens; 0: learned from the training data",
        minimum=0,
        flags=("--max-new-tokens",),
    )
    mbr: Literal["none", "samples", "nbest"] = setting(
        "none", "choose the output that agrees best with others: drawn ones, or an n-best list"
    )
    mbr_metric: Literal["chrf", "edit", "exact"] = setting(
        "chrf", "how agreement is measured: chrF, edits of characters, equality"
    )
    mbr_size: int = setting(32, "outputs to choose among", minimum=2, maximum=1024)
    ensemble: Literal["probability", "log_probability"] = setting(
        "probability", "what is averaged where several models decode together"
    )
    int8: bool = setting(
        False,
        "search with weights of 8 bits; LSTMs read in bf16 unless sentences are decoded one at a "
        "time: faster on a CPU, less exact",
    )
    batch_size: int = setting(
        64, "sentences decoded at a time", minimum=1, flags=("--per-device-eval-batch-size",)
    )
    max_input: int = setting(
        1000, "inputs of more tokens, or twice those of training, are split", minimum=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mbr != "none":
            self._check_mbr()
        elif self.nbest > self.beam_size and not self.sample:
            raise ConfigError(
                f"decode.nbest is {self.nbest} but decode.beam_size is {self.beam_size}; "
                f"--beam-size {self.nbest} or more finds that many, and so does --sample"
            )

    def _check_mbr(self) -> None:
        if self.nbest > self.mbr_size:
            raise ConfigError(
                f"decode.nbest is {self.nbest} but decode.mbr_size is {self.mbr_size}; "
                f"--mbr-size {self.nbest} or more has that many to choose among"
            )
        if self.mbr == "nbest" and self.sample:
            raise ConfigError(
                "decode.mbr = 'nbest' chooses among what a search finds, and decode.sample draws; "
                "--mbr samples chooses among draws"
            )


@dataclass(frozen=True)
class Facts(Section):
    """What training found out, which a model folder needs and no user sets."""

    name: str = setting("", "name of the dataset")
    source_column: str = setting("", "source column found")
    target_column: str = setting("", "target column found")
    source_vocabulary: int = setting(0, "pieces of the source side", minimum=0, maximum=10**7)
    target_vocabulary: int = setting(0, "pieces of the target side", minimum=0, maximum=10**7)
    longest_source: int = setting(0, "tokens of the longest source; 0: unknown", minimum=0)
    sentences: int = setting(
        0, "sentences that 99 of 100 sources have at most; 0: unknown", minimum=0
    )
    length_slope: float = setting(
        1.0, "output limit: slope over source tokens", minimum=0, maximum=1e6
    )
    length_excess: float = setting(
        50.0, "output limit: tokens above the slope", minimum=-1e6, maximum=1e6
    )
    fingerprint: str = setting("", "SHA-256 of the training pairs")
    tokenizer_sha256: str = setting("", "SHA-256 of the tokenizer files, source then target")
    examples: str = setting("[]", "source texts to try, as a JSON list")

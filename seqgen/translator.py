"""Texts to texts with a trained model: the public class."""

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from seqgen import checkpoint, decoding, risk, smallweights, tokenizer
from seqgen.batching import Batch
from seqgen.beams import Found
from seqgen.config import Config
from seqgen.decoding import Network, padded
from seqgen.devices import pick_device
from seqgen.ensemble import together
from seqgen.errors import DataError, ModelError
from seqgen.hypotheses import Hypothesis, bare, gap, joined, least_risk, nothing
from seqgen.inference import ready, why_not_int8
from seqgen.model import Forced, Seq2Seq, unfilled
from seqgen.sections import DecodeConfig, Weights
from seqgen.segments import checked, segments
from seqgen.signals import Pause, never
from seqgen.tokenizer import Tokenizers
from seqgen.vocabulary import BOS, EOS

LONGER = 2  # times the longest source of training, what is longer is cut
SLACK = 10  # tokens that an output may have beyond what training has seen for its source length


class Alignment(NamedTuple):
    """Where each target token looked."""

    source: list[str]
    target: list[str]
    weights: list[list[float]]  # [target][source], each row sums to 1


class Translator:
    """A trained model with its tokenizers and settings."""

    def __init__(
        self, config: Config, tokenizers: Tokenizers, model: Seq2Seq, folder: Path | None = None
    ):
        self.config = config
        self.tokenizers = tokenizers
        self.model = model
        self.others: tuple[Seq2Seq, ...] = ()  # that decode together with it
        self._arranged: tuple[object, Network] | None = None
        self.folder = folder

    @classmethod
    def from_pretrained(
        cls, model: str | Path | Sequence[str | Path], *, revision: str = "", device: str = "auto"
    ) -> "Translator":
        """The model of a run folder, or of a Hub repository of this layout.

        Several are an ensemble with the settings of the first; their networks may differ.
        Raises `ModelError` where a folder is incomplete or its parts do not belong together.
        """
        names = [model] if isinstance(model, str | Path) else list(model)
        if not names:
            raise ModelError("an ensemble of no model; give the folder of a run")
        first, *others = (cls._loaded(name, revision, device) for name in names)
        for name, other in zip(names[1:], others, strict=True):
            if other.tokenizers.key != first.tokenizers.key:
                raise ModelError(
                    f"{name}: has another vocabulary, or another form or case of texts, than "
                    f"{names[0]}; models decode together that were trained on the same files with "
                    f"the same tokenizer settings"
                )
        first.others = tuple(other.model for other in others)
        return first

    @classmethod
    def _loaded(cls, model: str | Path, revision: str, device: str) -> "Translator":
        folder = Path(model)
        if not folder.is_dir():
            folder = checkpoint.download(str(model), revision)
        config = checkpoint.read_description(folder)
        tokenizers = tokenizer.load(folder, config.facts.tokenizer_sha256, config.tokenizer)
        network = unfilled(config.model, tokenizers.source.size, tokenizers.target.size)
        path = folder / checkpoint.WEIGHTS
        tensors = smallweights.whole(checkpoint.read_weights(path), path)
        checkpoint.load_weights(network, tensors, path)
        network.to(pick_device(device)).eval()
        return cls(config, tokenizers, network, folder)

    @property
    def examples(self) -> tuple[str, ...]:
        """A few source texts of the data the model was validated on."""
        return tuple(str(text) for text in json.loads(self.config.facts.examples))

    def _ready(self, settings: DecodeConfig) -> Network:
        """The model as search asks it: made ready again where its weights are others by now."""
        models = (self.model, *self.others)
        weights = (weight for model in models for weight in model.parameters())
        versions = [(weight.data_ptr(), weight._version) for weight in weights]
        several = settings.batch_size > 1
        marks = settings.int8, several, settings.ensemble, versions
        if self._arranged is None or self._arranged[0] != marks:
            members = [ready(model, settings.int8, several) for model in models]
            self._arranged = marks, together(members, settings.ensemble)
        return self._arranged[1]

    def _forced(self, batch: Batch, settings: DecodeConfig | None = None) -> Forced:
        """What the model thinks of given targets."""
        settings = settings or self.config.decode
        model = together((self.model, *self.others), settings.ensemble)
        with torch.inference_mode():
            return model.forced(batch)

    def why_not_int8(self) -> str:
        """Why `int8` among the search settings changes nothing here; empty where it does."""
        return why_not_int8(self.model.device)

    def save_pretrained(self, folder: str | Path, weights: Weights = "float32") -> Path:
        """Write the model folder, as `from_pretrained` and the Hub take it.

        Matrices may be stored in fewer bytes, as float16 or int8. Raises `ModelError` where files
        of these names are there that belong to no model.
        """
        if self.others:
            raise ModelError("an ensemble is several models; save each in a folder of its own")
        folder = Path(folder)
        checkpoint.check_place(folder)
        checkpoint.save_model(folder, self.model, self.config, self.tokenizers, weights)
        if not self.folder or folder.resolve() != self.folder.resolve():
            checkpoint.replace_descriptions(folder, self.folder, self.tokenizers)
        if weights != "float32":
            checkpoint.note_weights(folder / "README.md", weights)
        return folder

    def translate(
        self,
        texts: Sequence[str],
        beam_size: int | None = None,
        settings: DecodeConfig | None = None,
    ) -> list[str]:
        """The best output for each text, in their order; a blank text gives an empty one."""
        settings = settings or self.config.decode
        if beam_size is not None:
            settings = replace(
                settings, mbr="none", sample=False, int8=False, beam_size=beam_size, nbest=1
            )
        return [found[0].text for found in self.hypotheses(texts, settings)]

    def hypotheses(
        self,
        texts: Sequence[str],
        settings: DecodeConfig | None = None,
        pause: Pause = never,
    ) -> list[list[Hypothesis]]:
        """At most `settings.nbest` outputs for each text, best first.

        Those of a text that `parts` splits are put together from those of its parts.
        `pause` is called before every step of a search; what it raises ends it.
        """
        texts = checked(texts)
        settings = settings or self.config.decode
        splits = [self.parts(text, settings) for text in texts]
        each = [bare(part, split) for split in splits for part in split]
        found = iter(self._hypotheses(each, settings, pause))
        return [
            joined(split, list(itertools.islice(found, len(split))), settings.nbest)
            for split in splits
        ]

    def stream(self, text: str, settings: DecodeConfig | None = None) -> Iterator[str]:
        """Growing greedy output, each text a prefix of the next; other searches give one text.

        A character whose last bytes are still to come is held back.
        """
        settings = settings or self.config.decode
        if settings.beam_size > 1 or settings.sample or settings.mbr != "none":
            yield self.translate([text], settings=settings)[0]
            return
        done, shown = "", None
        split = self.parts(text, settings)
        for part in split:
            written = ""
            for written in self._stream(bare(part, split), settings):
                if shown != (shown := done + written):
                    yield shown
            done += written + gap(part, written)

    def parts(self, text: str, settings: DecodeConfig | None = None) -> list[str]:
        """What of `text` is translated at a time: no more sentences than training has seen.

        Joined, the parts are the text. A single sentence is taken whole, up to twice the tokens of
        the longest source of training and up to `settings.max_input`.
        """
        (text,) = checked([text])
        facts, settings = self.config.facts, settings or self.config.decode
        limit = min(settings.max_input, LONGER * facts.longest_source or settings.max_input)
        source = self.tokenizers.source
        return segments(text, source, limit, facts.sentences, facts.longest_source)

    def score(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        settings: DecodeConfig | None = None,
    ) -> list[Hypothesis]:
        """What the model thinks of given outputs, by `settings.ensemble` where it is several."""
        sources, targets = checked(sources), checked(targets)
        settings = settings or self.config.decode
        found = []
        size = settings.batch_size
        for first in range(0, len(sources), size):
            batch = self.batch(sources[first : first + size], targets[first : first + size])
            log_probs = self._forced(batch, settings).log_probs.double().cpu()
            for text, ids, row in zip(
                targets[first : first + size],
                batch.target[:, 1:].tolist(),
                log_probs.tolist(),
                strict=True,
            ):
                kept = ids[: ids.index(EOS) + 1]
                total = sum(row[: len(kept)])
                found.append(
                    Hypothesis(
                        tokenizer.encodable(text),
                        total,
                        total,
                        self.tokenizers.target.pieces(kept),
                        row[: len(kept)],
                        False,
                    )
                )
        return found

    def attention(
        self, text: str, settings: DecodeConfig | None = None, output: str = ""
    ) -> Alignment | None:
        """Where the model looked in the first part of `text` that is not blank, if it wrote any.

        `output` is that of the text, where it is known.
        """
        split = self.parts(text, settings)
        part = next((bare(part, split) for part in split if part.strip()), "")
        if len(split) > 1 or not output:
            output = self.hypotheses([part], settings)[0][0].text
        return self.alignment(part, output) if output else None

    def alignment(self, source: str, target: str) -> Alignment:
        """Where the model looks when it writes `target` for `source`."""
        batch = self.batch([source], [target])
        weights = self._forced(batch).weights[0].cpu()
        return Alignment(
            self.tokenizers.source.pieces(batch.source[0].tolist()),
            self.tokenizers.target.pieces(batch.target[0, 1:].tolist()),
            weights.tolist(),
        )

    def limit(self, source_length: int, settings: DecodeConfig) -> int:
        """The most tokens of an output, its end included, for a source of so many with its end."""
        if settings.max_length:
            return settings.max_length
        facts = self.config.facts
        return max(1, math.ceil(facts.length_slope * source_length + facts.length_excess)) + SLACK

    def _hypotheses(
        self, texts: list[str], settings: DecodeConfig, pause: Pause
    ) -> list[list[Hypothesis]]:
        if settings.mbr != "none":
            pools = self._hypotheses(texts, risk.pool(settings), pause)
            return [least_risk(found, settings) for found in pools]
        encoded = self.tokenizers.source.encode(texts)
        found: list[list[Hypothesis]] = [[nothing()] for _ in texts]
        spoken = [number for number, text in enumerate(texts) if text.strip() and encoded[number]]
        # Sentences of one length finish together.
        spoken.sort(key=lambda number: len(encoded[number]))
        model = self._ready(settings)
        for first in range(0, len(spoken), settings.batch_size):
            numbers = spoken[first : first + settings.batch_size]
            sources = [encoded[number] for number in numbers]
            limits = [self.limit(len(ids) + 1, settings) for ids in sources]
            rows = decoding.decode(model, sources, limits, settings, pause)
            described = iter(self._described([one for row in rows for one in row]))
            for number, row in zip(numbers, rows, strict=True):
                found[number] = [next(described) for _ in row]
        return found

    def _stream(self, text: str, settings: DecodeConfig) -> Iterator[str]:
        """The text so far after each id, then the whole."""
        (ids,) = self.tokenizers.source.encode([text])
        if not text.strip() or not ids:
            yield ""
            return
        written: list[int] = []
        limit = self.limit(len(ids) + 1, settings)
        for found in decoding.stream(self._ready(settings), ids, limit):
            written.append(found)
            yield self.tokenizers.target.prefix(written)
        yield self.tokenizers.target.decode([written])[0]

    def _described(self, found: list[Found]) -> list[Hypothesis]:
        """Texts are decoded together: one by one takes many times as long."""
        target = self.tokenizers.target
        texts = target.decode([one.ids for one in found])
        return [
            Hypothesis(
                text, one.score, one.ranked, target.pieces(one.ids), one.token_scores, one.cut
            )
            for text, one in zip(texts, found, strict=True)
        ]

    def batch(self, sources: Sequence[str], targets: Sequence[str]) -> Batch:
        """Given pairs as one batch, on the device of the model."""
        encoded = self.tokenizers.source.encode(sources)
        answers = self.tokenizers.target.encode(targets)
        longest, most = max(map(len, encoded + answers)), self.config.decode.max_input
        if longest > most:
            raise DataError(
                f"a text of {longest:,} tokens is more than the {most:,} that are taken at once; "
                f"give its sentences one by one"
            )
        source, lengths = padded([[*row, EOS] for row in encoded])
        rows = [[BOS, *row, EOS] for row in answers]
        tokens = sum(len(row) - 1 for row in rows)
        return Batch(source, lengths, padded(rows)[0], tokens).to(self.model.device)

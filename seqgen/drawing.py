"""Texts cut into pieces that are drawn, a function of a SentencePiece model and a seed.

SentencePiece draws as well, but mixes something of the process into its seed: a resumed run,
or another rank, would see other pieces.
"""

import bisect
import itertools
import math
import random
import re
from typing import Any

from seqgen.vocabulary import UNK

MARK = "\u2581"
CANDIDATES = 64  # ways to cut a word that unigrams are drawn among

Cuts = tuple[list[list[int]], list[float]]  # ids of each, their summed chances


class Drawing:
    """Draws from one model: merges left out of BPE, cuts of unigrams by their probability."""

    def __init__(self, pieces: Any, alpha: float):
        self.pieces, self.alpha = pieces, alpha
        whole = [number for number in range(pieces.get_piece_size())
                 if not (pieces.is_control(number) or pieces.is_unknown(number)
                         or pieces.is_byte(number) or pieces.is_unused(number))]  # fmt: skip
        self.scores = {pieces.id_to_piece(number): pieces.get_score(number) for number in whole}
        # Scores of BPE are ranks; those of unigrams are logarithms of chances.
        self.merges = all(score == int(score) for score in self.scores.values())
        self._cuts: dict[str, Cuts] = {}

    def __call__(self, text: str, seeded: random.Random) -> list[int]:
        """The ids of a text as the model normalizes it."""
        words = re.findall(f"{MARK}[^{MARK}]*|[^{MARK}]+", text)
        cut = self._merged if self.merges else self._chosen
        return [number for word in words for number in cut(word, seeded)]

    def _merged(self, word: str, seeded: random.Random) -> list[int]:
        """Provilkov et al. (2020, arXiv 1910.13267), algorithm 1."""
        symbols, scores, coin = list(word), self.scores, seeded.random
        while True:
            best, place = -math.inf, -1
            for number, (one, two) in enumerate(itertools.pairwise(symbols)):
                score = scores.get(one + two)
                if score is not None and score > best and coin() >= self.alpha:
                    best, place = score, number
            if place < 0:
                return self._numbers(symbols)
            symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]

    def _numbers(self, symbols: list[str]) -> list[int]:
        """The ids of symbols; characters without a piece are bytes, or unknown where none are."""
        found: list[int] = []
        for symbol in symbols:
            if symbol in self.scores:
                found.append(self.pieces.piece_to_id(symbol))
                continue
            spelt = [self.pieces.piece_to_id(f"<0x{byte:02X}>") for byte in symbol.encode()]
            found += [UNK] if UNK in spelt else spelt
        return found

    def _chosen(self, word: str, seeded: random.Random) -> list[int]:
        """Kudo (2018, arXiv 1804.10959), section 3.2, word by word: no piece is of two words."""
        if word not in self._cuts:
            self._cuts[word] = self._candidates(word)
        cuts, sums = self._cuts[word]
        return cuts[bisect.bisect_right(sums, seeded.random() * sums[-1], hi=len(cuts) - 1)]

    def _candidates(self, word: str) -> Cuts:
        text = word.removeprefix(MARK)
        found = self.pieces.nbest_encode(text, nbest_size=CANDIDATES, out_type=int) if text else []
        cuts = found or [self._numbers([word])]
        logs = [self.alpha * sum(map(self.pieces.get_score, cut)) for cut in cuts]
        most = max(logs)
        return cuts, list(itertools.accumulate(math.exp(log - most) for log in logs))

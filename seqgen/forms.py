"""The Unicode form and the case in which a model reads and writes text, and the way back."""

import unicodedata
from typing import Literal, NamedTuple

from seqgen.sections import TokenizerConfig


class Form(NamedTuple):
    """What is done to the texts of one side before they become ids."""

    unicode: Literal["none", "NFC", "NFD", "NFKC"] = "none"
    lowercase: bool = False
    recase: bool = False  # outputs get the case back that `casing` has learned

    @property
    def lower(self) -> bool:
        """Whether outputs are in lower case, so that references are compared so."""
        return self.lowercase and not self.recase

    def read(self, text: str) -> str:
        """`text` as the model reads it."""
        text = self._normal(text)
        # The lower case of a composed letter may be two, and what NFKC unfolds may be capitals.
        return self._normal(text.lower()) if self.lowercase else text

    def written(self, text: str) -> str:
        """What the model wrote, composed, whatever the form; its case is as it was read."""
        return text if self.unicode == "none" else unicodedata.normalize("NFC", text)

    def compared(self, text: str) -> str:
        """A reference as outputs are compared with it: composed, and lowercased where they stay so.

        Composing changes nothing that can be seen. What NFKC takes away, as in "½", stays in the
        reference, so that the model pays for it.
        """
        return self.written(text.lower() if self.lower else text)

    def settled(self, text: str) -> str:
        """Of a beginning that is `written`, what nothing that follows can change."""
        if self.unicode == "none":
            return text
        # A last letter waits for its marks, and a syllable of Hangul for its final consonant.
        return text[: next((n for n in reversed(range(len(text))) if _starts(text[n])), 0)]

    def _normal(self, text: str) -> str:
        return text if self.unicode == "none" else unicodedata.normalize(self.unicode, text)


PLAIN = Form()


def forms(config: TokenizerConfig) -> tuple[Form, Form]:
    """Those of the source and of the target."""
    lowered = {"none": (), "source": (0,), "target": (1,), "both": (0, 1)}[config.lowercase]
    source = Form(config.source_form, 0 in lowered)
    return source, Form(config.target_form, 1 in lowered, config.recase)


def _starts(character: str) -> bool:
    return not unicodedata.combining(character)

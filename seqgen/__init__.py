"""seqgen: recurrent sequence-to-sequence generation.

One letter per axis, in every shape comment:

    B  sentences in a batch      E  embedding width     V  vocabulary
    S  source steps              H  hidden width        L  recurrent layers
    T  target steps              D  memory width        N  rows being decoded (N = B x beam)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqgen.translator import Translator

__version__ = "0.1.0"
__all__ = ["Translator", "__version__"]


def __getattr__(name: str) -> Any:
    # Translator brings torch, which `import seqgen` must not pay for.
    if name == "Translator":
        from seqgen.translator import Translator

        return Translator
    raise AttributeError(f"module 'seqgen' has no attribute {name!r}")

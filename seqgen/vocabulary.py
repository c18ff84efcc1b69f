"""The four ids that every vocabulary begins with."""

PAD, UNK, BOS, EOS = range(4)

"""Random CSV for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

# Pieces of which every combination is well-formed once they are joined by separators and line ends.
WELL_FORMED = st.lists(
    st.lists(st.sampled_from(["", "a", "1.5", "é", '""', '"x"', '"p,q"', '"l\nm"', '"c\r\nd"', '"say ""hi"""', " "]),
             min_size=1, max_size=4),
    max_size=8,
)  # fmt: skip
# Anything, broken quotes and stray carriage returns included.
WILD = st.lists(
    st.sampled_from(["a", "1", ",", '"', "\n", "\r\n", "\r", '""', '"a"', "é", " ", "\0"]), max_size=40
).map("".join)

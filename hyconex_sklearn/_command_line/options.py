"""Errors in the words of Python in, the same in those of the command line out: who typed options knows no keywords."""

from __future__ import annotations

import argparse
import re

#: What an option is called in Python, by what it is called among the parsed arguments.
_KEYWORDS = {
    "immutable": "immutable",
    "mutable": "mutable",
    "bounds": "bounds",
    "monotonic": "monotonic_cst",
    "max_changes": "max_changes",
    "target_probability": "target_probability",
    "n_counterfactuals": "n_counterfactuals",
    "max_time": "max_time",
    "random_state": "random_state",
}
_LABEL_RULES = re.compile(r"\b(allowed_categories|allowed_transitions|allowed_values)=\{[^}]*\}+")


def in_options(text: str, arguments: argparse.Namespace) -> str:
    """Return an error with the options that were given in the place of keywords.

    Parameters
    ----------
    text : str
        What went wrong: the keyword that it is about stands in front.
    arguments : argparse.Namespace
        What was typed. What only a file of rules says is told by the names that it has there.
    """
    for option, keyword in _KEYWORDS.items():
        if getattr(arguments, option, None) not in (None, []):
            told = f"--{option.replace('_', '-')}"
            text = re.sub(rf"^{keyword}\['([^']*)'\]", rf"{told} \1", text)  # of a column
            text = re.sub(rf"^{keyword}\b", told, text)
    text = re.sub(r"\bmonotonic_cst=\{'([^']*)': (-?1)\}", r"--monotonic \1=\2", text)
    return _LABEL_RULES.sub(r"\1 in a file of --rules", text.replace("(low, high)", "LOW:HIGH"))

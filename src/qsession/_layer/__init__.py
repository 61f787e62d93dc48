"""The layer of a folder of cassettes: what all tests of it read in common, recorded once."""

from __future__ import annotations

from qsession._layer._shared import Shared, found_above, layer_path

__all__ = ["Shared", "found_above", "layer_path"]

"""What a panel can show: one small dataclass of arrays per panel kind, and the decorator that declares it.

A probe is a method of an experiment that returns one of these pictures. The kind's name is the class
name in lower case; the page draws it with `frontend/src/panels/<kind>/<Kind>.svelte`. Fields that hold arrays
travel as tensors, every other field as JSON beside them (see `wire.py`).

Shape letters: `H`, `W` rows and columns of a map, `N` items, `P` paths, `T` points of a path, `L` layers.
"""

from descent.contract.panels.charts import Bars, Histogram, Lines, Ranking
from descent.contract.panels.declaration import (
    Panel,
    Probe,
    Size,
    arrows,
    attention,
    bars,
    blueprint,
    contour,
    convolution,
    field_map,
    flow,
    graph,
    heatmap,
    histogram,
    images,
    lines,
    maps,
    panel,
    panels_of,
    ranking,
    scalars,
    tokens,
    traces,
)
from descent.contract.panels.images import Heatmap, Images
from descent.contract.panels.network import Attention, Blueprint, Convolution, Flow, Graph, Maps
from descent.contract.panels.picture import Array, LayerType, Note, Picture, Range, Scale, says, split
from descent.contract.panels.plane import Arrows, Contour, Field
from descent.contract.panels.text import Tokens, Traces

__all__ = [
    "Array",
    "Arrows",
    "Attention",
    "Bars",
    "Blueprint",
    "Contour",
    "Convolution",
    "Field",
    "Flow",
    "Graph",
    "Heatmap",
    "Histogram",
    "Images",
    "LayerType",
    "Lines",
    "Maps",
    "Note",
    "Panel",
    "Picture",
    "Probe",
    "Range",
    "Ranking",
    "Scale",
    "Size",
    "Tokens",
    "Traces",
    "arrows",
    "attention",
    "bars",
    "blueprint",
    "contour",
    "convolution",
    "field_map",
    "flow",
    "graph",
    "heatmap",
    "histogram",
    "images",
    "lines",
    "maps",
    "panel",
    "panels_of",
    "ranking",
    "says",
    "scalars",
    "split",
    "tokens",
    "traces",
]

"""Node contexts for tests."""

from gradprobe.graphs.explain import NodeContext

NAN = float("nan")


def context(**changes: object) -> NodeContext:
    """Node 42 of the paper's appendix, less its label."""
    values: dict[str, object] = {
        "node": 42,
        "prediction": "7",
        "probability": 0.541,
        "degree": 5,
        "values": (1.942, 0.231, 48.7, -0.227, 1.5, 0.8),
        "percentiles": (95.0, 20.0, 50.0, NAN, 60.0, 90.0),
    }
    return NodeContext(**(values | changes))  # type: ignore[arg-type]


UNDEFINED = {
    "values": (NAN, NAN, 0.0, NAN, NAN, NAN),
    "percentiles": (NAN, NAN, 3.0, NAN, NAN, NAN),
    "degree": 0,
    "undefined": {"conflict": "no neighbour"},
}

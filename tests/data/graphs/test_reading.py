import pandas as pd
import pytest

from gradprobe.data.graphs import read_graph
from gradprobe.errors import InputError

EDGES = "source,target\na,b\nb,a\nb,c\nc,d\n"
NODES = """node,label,split,x,y
c,red,train,1,2
a,blue,val,0,1
b,,,3,4
d,red,Test,5,6
"""


def read(tmp_path, edges=EDGES, nodes=NODES, **options):
    (tmp_path / "edges.csv").write_text(edges)
    (tmp_path / "nodes.csv").write_text(nodes)
    return read_graph(tmp_path / "edges.csv", tmp_path / "nodes.csv", **options)


def test_two_tables_become_a_graph_in_the_order_of_their_nodes(tmp_path):
    dataset = read(tmp_path)
    assert dataset.name == "edges"
    assert dataset.edge_index.tolist() == [[0, 0, 1, 2, 2, 3], [2, 3, 2, 0, 1, 0]]
    assert dataset.features.tolist() == [[1, 2], [0, 1], [3, 4], [5, 6]]
    assert dataset.labels.tolist() == [1, 0, -1, 1]
    (split,) = dataset.splits
    assert [split.train.tolist(), split.validation.tolist(), split.test.tolist()] == [[0], [1], [3]]
    assert dataset.notes == (
        "classes in order: blue, red",
        "2 edges given in one direction made both",
        "1 node has no label",
    )


def test_without_a_column_of_splits_ten_are_drawn(tmp_path):
    nodes = "node,label,x\n" + "".join(f"{i},{i % 2},{i}\n" for i in range(20))
    dataset = read(tmp_path, "source,target,weight\n0,1,0.5\n", nodes, name="mine", seed=3)
    assert (dataset.name, len(dataset.splits)) == ("mine", 10)
    assert dataset.notes[1:3] == (
        "splits drawn: ten of 48/32/20 % of each class, seed 3",
        "the column 'weight' is left out: edges count alike",
    )


def test_classes_that_are_numbers_are_ordered_by_value(tmp_path):
    nodes = "node,label,split,x\n1,10,train,0\n2,9,val,0\n3,,,0\n4,9,test,0\n"
    dataset = read(tmp_path, "source,target\n1,2\n3,4\n", nodes)
    assert dataset.labels.tolist() == [1, 0, -1, 0]
    assert dataset.notes[0] == "classes in order: 9, 10"


@pytest.mark.parametrize(
    ("edges", "nodes", "message"),
    [
        ("source,target\na,z\n", NODES, "got 'z' in row 1 of"),
        ("source,target\na,\n", NODES, "an empty cell"),
        ("from,to\na,b\n", NODES, "edges: expected a column 'source'"),
        ("source,target\na,a\n", NODES, "at least one edge between two different nodes"),
        (EDGES, NODES.replace("d,red", "a,red"), "every node once in .*nodes.csv, got 'a' twice"),
        (EDGES, NODES.replace("3,4", "3,nan"), "got 'nan' in column 'y' of node 'b'"),
        (EDGES, NODES.replace("3,4", "3,many"), "got 'many' in column 'y' of node 'b'"),
        (EDGES, NODES.replace("val", "vall"), "train, validation, test or nothing, got 'vall'"),
        (EDGES, NODES.replace("val", ""), "expected validation nodes, got none"),
        (EDGES, NODES.replace("blue", ""), "labelled validation nodes, got node 1"),
        (EDGES, NODES.replace("label", "class"), "features: expected a column 'label'"),
        (
            EDGES,
            "node,label,split\na,0,train\nb,1,val\nc,1,test\nd,1,\n",
            "columns of numbers beside node, label",
        ),
        ("", NODES, "edges: expected a table that can be read"),
    ],
)
def test_tables_that_make_no_graph_are_refused_in_one_sentence(tmp_path, edges, nodes, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, edges, nodes)


def test_names_that_look_like_numbers_keep_their_zeros(tmp_path):
    nodes = "node,label,split,x\n01,0,train,0\n1,1,val,1\n001,1,test,2\n"
    dataset = read(tmp_path, "source,target\n01,001\n1,01\n", nodes)
    assert dataset.edge_index.tolist() == [[0, 0, 1, 2], [1, 2, 0, 0]]


def test_a_missing_file_is_told(tmp_path):
    (tmp_path / "nodes.csv").write_text(NODES)
    with pytest.raises(InputError, match=r"edges: expected a CSV or Parquet file, got .*none\.csv"):
        read_graph(tmp_path / "none.csv", tmp_path / "nodes.csv")


def parquet(tmp_path, **columns):
    count = 20
    nodes = {
        "node": range(count),
        "label": ["a", "b"] * (count // 2),
        "split": ["train", "train", "val", "val", "test"] * (count // 5),
        "x": [0.5] * count,
    }
    pd.DataFrame(nodes | columns).to_parquet(tmp_path / "nodes.parquet")
    edges = pd.DataFrame({"source": range(count - 1), "target": range(1, count)})
    edges.to_parquet(tmp_path / "edges.parquet")
    return read_graph(tmp_path / "edges.parquet", tmp_path / "nodes.parquet")


@pytest.mark.parametrize("column", ["node", "label", "split", "x"])
@pytest.mark.parametrize("cell", [[1], b"\xff", {"a": 1}], ids=["list", "bytes", "struct"])
def test_cells_of_parquet_that_are_neither_text_nor_numbers_are_refused(tmp_path, column, cell):
    with pytest.raises(InputError, match=f"text or numbers in column '{column}' of .* in row 1; write it"):
        parquet(tmp_path, **{column: [cell] * 20})


def test_dates_are_no_features(tmp_path):
    with pytest.raises(InputError, match=r"numbers in column 'x' of .* got dates or times"):
        parquet(tmp_path, x=pd.to_datetime(["2020-01-01"] * 20))


def test_a_split_of_numbers_with_gaps_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"split: expected train, validation, test or nothing, got '1\.0'"):
        parquet(tmp_path, split=[1.0, None] * 10)


def test_classes_named_by_whole_numbers_keep_their_digits(tmp_path):
    dataset = parquet(tmp_path, label=[1234567.0, 1234568.0] * 10)
    assert dataset.labels.tolist() == [0, 1] * 10
    assert dataset.notes[0] == "classes in order: 1234567, 1234568"

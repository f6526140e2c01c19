import networkx
import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from gradprobe.errors import InputError
from gradprobe.graphs.multitask import TASKS, make_graph_set
from gradprobe.studies.graph_tasks import COMBINERS, GraphTasksConfig, run_graph_tasks


def data():
    graphs = []
    for place in range(40):
        drawn = networkx.gnp_random_graph(5 + place % 6, 0.3 + 0.3 * (place % 2), seed=place)
        both = [(u, v) for u, v in drawn.edges] + [(v, u) for u, v in drawn.edges]
        x = torch.tensor([[1.0, float(degree)] for _, degree in drawn.degree])
        graphs.append(Data(x=x, edge_index=torch.tensor(both).T))
    return make_graph_set("drawn", graphs, np.tile([0.0, 1.0], 20))


def config(**changes):
    return GraphTasksConfig(**{"seeds": 1, "epochs": 3, "batch_size": 12, "width": 8, "depth": 2, **changes})


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    return folder, run_graph_tasks(data(), config(), folder, jobs=1)


def test_every_combiner_is_scored_on_every_task(outcome):
    _, found = outcome
    assert not found.failures
    assert [key.combiner for key in found.study.results] == list(COMBINERS)
    for run in found.study.results.values():
        assert tuple(score.task for score in run.scores) == TASKS
        assert run.accuracy == pytest.approx(np.mean([score.accuracy for score in run.scores]))
        assert 1 <= run.best_epoch <= 3
        assert run.validation[run.best_epoch - 1] == min(run.validation)
        assert 0.0 <= run.energy[0] <= 1.0


def test_combiners_begin_alike_and_end_apart(outcome):
    runs = list(outcome[1].study.results.values())
    assert len({run.energy[0] for run in runs}) == 1
    assert len({run.validation for run in runs}) > 3


def test_a_study_goes_on_in_its_folder_and_refuses_another(outcome):
    folder, found = outcome
    assert run_graph_tasks(data(), config(), folder, jobs=1).study.results == found.study.results
    with pytest.raises(InputError, match="width"):
        run_graph_tasks(data(), config(width=9), folder, jobs=1)


def test_an_unknown_combiner_is_told_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match="name: expected one of average"):
        run_graph_tasks(data(), config(combiners=("average", "magic")), tmp_path)
    assert not list(tmp_path.iterdir())

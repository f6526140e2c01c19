"""The callback in real Trainers on tiny models built from a config: nothing is downloaded."""

import copy

import numpy as np
import pytest
import torch

from gradprobe.errors import InputError

transformers = pytest.importorskip("transformers")

from gradprobe.integrations.huggingface import GradientProbeCallback  # noqa: E402
from gradprobe.integrations.row_losses import row_losses_of  # noqa: E402

# transformers and peft warn about their own deprecated names.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
NAMES = ["web", "code", "chat"]


def language_model(**options):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=24,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        **options,
    )
    return transformers.LlamaForCausalLM(config)


def sequences(count=24, length=7):
    random = np.random.default_rng(0)
    rows = []
    for row in range(count):
        ids = random.integers(0, 24, size=length)
        labels = np.where(np.arange(length) < row % 3, -100, ids)  # prompts do not count
        rows.append({"input_ids": ids.tolist(), "labels": labels.tolist(), "source": row % 3})
    return rows


def collate(rows):
    return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


def trainer(model, out, *, data=None, **options):
    arguments = transformers.TrainingArguments(
        output_dir=str(out),
        **{
            "per_device_train_batch_size": 6,
            "max_steps": 4,
            "learning_rate": 1e-2,
            "use_cpu": True,
            "report_to": [],
            "save_strategy": "no",
            "disable_tqdm": True,
            "remove_unused_columns": False,
            "logging_strategy": "no",
        }
        | options,
    )
    return transformers.Trainer(model, arguments, train_dataset=data or sequences(), data_collator=collate)


def callback(**options):
    return GradientProbeCallback(**{"focal": "code", "tasks": "source", "names": NAMES} | options)


def parameters(model):
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def without_column(rows):
    return {name: value for name, value in collate(rows).items() if name != "source"}


def slow_gramian(model, batch):
    """One task after another, each with a forward pass of its own over its rows."""
    gradients = []
    for task in range(3):
        own = batch["source"] == task
        logits = model(input_ids=batch["input_ids"][own]).logits[:, :-1].double()
        labels = batch["labels"][own][:, 1:]
        chosen = torch.log_softmax(logits, dim=-1).gather(2, labels.clamp(min=0)[..., None])[..., 0]
        loss = -chosen[labels != -100].mean()
        parts = torch.autograd.grad(loss, list(model.parameters()))
        gradients.append(torch.cat([part.double().flatten() for part in parts]))
    stacked = torch.stack(gradients)
    return (stacked @ stacked.T).numpy()


def test_the_losses_heard_are_those_of_each_tasks_own_tokens(tmp_path):
    model = language_model()
    untrained = copy.deepcopy(model)
    probe = callback(out=tmp_path / "trace", folds=False)
    seen = []
    job = trainer(model, tmp_path, max_steps=1)
    own = job.compute_loss
    job.compute_loss = lambda model, inputs, *rest, **options: (
        seen.append({name: value.clone() for name, value in inputs.items()}),
        own(model, inputs, *rest, **options),
    )[1]
    probe.attach(job)
    # The wrapper outside takes the column out before the inner one sees the batch.
    job.train()
    assert "source" not in seen[0]
    row_of = {tuple(row["input_ids"]): row["source"] for row in sequences()}
    batch = seen[0] | {"source": torch.tensor([row_of[tuple(ids)] for ids in seen[0]["input_ids"].tolist()])}
    record = probe.trace.gramians[0]
    order = [NAMES.index(task) for task in record.gramian.tasks]
    expected = slow_gramian(untrained, batch)[np.ix_(order, order)]
    np.testing.assert_allclose(record.gramian.total, expected, rtol=0, atol=1e-4 * expected.max())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gradient_accumulation_steps": 2},
        {"bf16": True},
        {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}},
    ],
    ids=["plain", "accumulation", "bf16", "checkpointing"],
)
def test_a_probed_run_ends_in_the_same_bits(tmp_path, options):
    def run(name, probed):
        model = language_model(attention_dropout=0.1)
        job = trainer(model, tmp_path / name, **options)
        if probed:
            callback(out=tmp_path / "trace").attach(job)
        else:
            job.data_collator = without_column
        return job.train().training_loss, parameters(model)

    plain, probed = run("plain", probed=False), run("probed", probed=True)
    assert plain[0] == probed[0]
    assert all(torch.equal(plain[1][name], probed[1][name]) for name in plain[1])


def test_the_loss_measured_has_the_trainers_label_smoothing(tmp_path):
    model = language_model()
    job = trainer(model, tmp_path, label_smoothing_factor=0.3, max_steps=1)
    batch = collate(sequences(6))
    outputs = model(**without_column(sequences(6)))
    own = job.label_smoother(outputs, batch["labels"], shift_labels=True)
    rows = row_losses_of(model, outputs, batch, smoothing=0.3)
    torch.testing.assert_close(rows.sums.sum() / rows.terms.sum(), own, rtol=1e-5, atol=0)
    callback(out=tmp_path / "trace").attach(job)
    job.train()  # a loss other than the trainer's would be warned of


def test_a_trainer_that_minimises_another_loss_than_the_one_measured_is_named(tmp_path):
    job = trainer(language_model(), tmp_path, max_steps=2)
    job.compute_loss_func = lambda outputs, labels, num_items_in_batch=None: outputs.logits.square().mean()
    callback(out=tmp_path / "trace").attach(job)
    with pytest.warns(UserWarning, match="minimises another one.*pass losses="):
        job.train()


@pytest.mark.parametrize("steps", [1, 3])
def test_the_trainers_own_loss_is_recognised_however_many_micro_batches_there_are(tmp_path, steps):
    job = trainer(language_model(), tmp_path, max_steps=2, gradient_accumulation_steps=steps, bf16=True)
    probe = callback(out=tmp_path / "trace").attach(job)
    job.train()  # warnings are errors
    assert len(probe.trace.gramians) == 2


def test_one_measurement_an_optimiser_step_and_every_counts_them(tmp_path):
    job = trainer(language_model(), tmp_path, gradient_accumulation_steps=2)
    probe = callback(out=tmp_path / "trace", every=2).attach(job)
    job.train()
    assert [record.step for record in probe.trace.gramians] == [0, 2]
    assert {group.fold for group in probe.trace.gramians[0].gramian.groups} == {"A", "B"}


def test_the_trainers_loggers_get_the_main_numbers_unless_it_logs_nothing(tmp_path):
    job = trainer(language_model(), tmp_path, max_steps=2, logging_strategy="steps", logging_steps=1)
    callback(out=tmp_path / "trace").attach(job)
    job.train()
    shown = [entry for entry in job.state.log_history if "gradprobe/minibatch/cosine/web" in entry]
    assert [entry["step"] for entry in shown] == [0, 1]
    quiet = trainer(language_model(), tmp_path, max_steps=2)
    callback(out=tmp_path / "quiet").attach(quiet)
    quiet.train()
    assert not [name for entry in quiet.state.log_history for name in entry if "gradprobe" in name]


def test_the_trunk_of_a_lora_model_is_its_adapters(tmp_path):
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(language_model(), peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    job = trainer(model, tmp_path, max_steps=2)
    probe = callback(out=tmp_path / "trace").attach(job)
    job.train()
    layers = probe.trace.header.layers
    assert layers
    assert all("lora_" in layer for layer in layers)


def test_a_trainer_that_removes_the_column_is_refused_before_training(tmp_path):
    job = trainer(language_model(), tmp_path, remove_unused_columns=True)
    callback().attach(job)
    with pytest.raises(InputError, match="set remove_unused_columns=False"):
        job.train()


def test_a_batch_without_the_column_is_refused_with_what_it_holds(tmp_path):
    job = trainer(language_model(), tmp_path)
    callback(tasks="dataset").attach(job)
    with pytest.raises(InputError, match=r"the column 'dataset', got \['input_ids', 'labels', 'source'\]"):
        job.train()


def test_losses_of_your_own_take_the_place_of_the_column(tmp_path):
    def losses(outputs, inputs):
        errors = outputs.logits.square().mean(dim=(1, 2))
        return {"code": errors, "size": inputs["labels"].ne(-100).sum(1) * errors}

    job = trainer(
        language_model(), tmp_path, data=[{k: r[k] for k in ("input_ids", "labels")} for r in sequences()]
    )
    probe = GradientProbeCallback(focal="code", losses=losses, out=tmp_path / "trace").attach(job)
    job.train()
    assert len(probe.trace.gramians) == 4


@pytest.mark.parametrize("arguments", [{}, {"tasks": "source", "losses": lambda *_: {}}])
def test_tasks_come_from_a_column_or_a_function_and_not_from_both(arguments):
    with pytest.raises(InputError, match="tasks: expected the column"):
        GradientProbeCallback(focal="code", **arguments)


def test_the_loss_rebuilt_from_the_rows_is_the_models_own():
    model, batch = language_model(), collate(sequences(9))
    outputs = model(input_ids=batch["input_ids"], labels=batch["labels"])
    rows = row_losses_of(model, outputs, batch)
    assert float(rows.sums.detach().sum() / rows.terms.sum()) == pytest.approx(
        float(outputs.loss.detach()), rel=1e-5
    )


@pytest.mark.parametrize(
    ("problem", "labels"),
    [
        ("single_label_classification", torch.tensor([0, 2, 1])),
        ("regression", torch.tensor([[0.1, 0.2, 0.3], [1.0, 0.0, 2.0], [0.0, 0.0, 1.0]])),
        ("multi_label_classification", torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])),
    ],
)
def test_a_classifiers_loss_rebuilt_from_the_rows_is_the_models_own(problem, labels):
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=24,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_labels=3,
        problem_type=problem,
    )
    model = transformers.BertForSequenceClassification(config).eval()
    outputs = model(input_ids=torch.randint(0, 24, (3, 5)), labels=labels)
    rows = row_losses_of(model, outputs, {"labels": labels})
    assert float(rows.sums.detach().mean()) == pytest.approx(float(outputs.loss.detach()), rel=1e-5)


def test_a_model_whose_loss_is_not_known_is_refused_with_the_remedy():
    with pytest.raises(InputError, match="got Linear; pass losses="):
        row_losses_of(torch.nn.Linear(2, 2), {"logits": torch.ones(2, 2)}, {"labels": torch.ones(2)})

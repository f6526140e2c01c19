"""Attach a probe to a Hugging Face Trainer: the lines that end in `# added` are all it takes.

A tiny language model, built from a config, on three made-up sources of text. Which sources pull the shared
weights where the focal one wants them? Run it with: python examples/huggingface_trainer.py
"""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

import gradprobe  # added
from gradprobe.integrations.huggingface import GradientProbeCallback  # added

SOURCES = ("counting up", "counting down", "noise")


def sequence(source: int, start: int, generator: torch.Generator) -> torch.Tensor:
    """Twelve tokens of a source."""
    if source == 2:
        return torch.randint(0, 32, (12,), generator=generator)
    return (start + torch.arange(12) * (1 if source == 0 else -1)) % 32


def collate(rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """A batch with the column `source`, which the probe takes out before the model sees it."""
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = []
    for number in range(180):
        tokens = sequence(number % 3, number % 32, generator)
        rows.append({"input_ids": tokens, "labels": tokens, "source": torch.tensor(number % 3)})
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=16,
    )
    trainer = Trainer(
        LlamaForCausalLM(config),
        TrainingArguments(
            output_dir="runs",
            per_device_train_batch_size=24,
            num_train_epochs=4,
            learning_rate=3e-3,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,  # keeps the column for the probe
        ),
        train_dataset=rows,
        data_collator=collate,
    )
    probe = GradientProbeCallback(focal=SOURCES[0], tasks="source", names=SOURCES)  # added
    probe.attach(trainer)  # added
    trainer.train()

    table = probe.trace.frame()  # added
    cosines = table[(table.quantity == "cosine") & (table.layer == "") & (table.task == SOURCES[0])]
    print(cosines.groupby(["step", "other"]).value.mean().round(3).tail(8).to_string())
    print(gradprobe.report(probe.trace, "runs/huggingface_trainer.html"))  # added


if __name__ == "__main__":
    main()

"""Attach a probe to chemprop's own multi-task MPNN: the lines that end in `# added` are all it takes.

Three RDKit properties of some drugs stand for assay results, some of them missing.

Run it with: python examples/chemprop_mpnn.py
"""

import lightning.pytorch as pl
import numpy as np
import torch
from chemprop import data, models, nn
from rdkit import Chem
from rdkit.Chem import Crippen, rdMolDescriptors

import gradprobe  # added
from gradprobe.integrations.chemprop import CriterionLosses  # added
from gradprobe.integrations.lightning import GradientProbeCallback  # added

PROPERTIES = {
    "logP": Crippen.MolLogP,
    "polar surface": rdMolDescriptors.CalcTPSA,
    "rotatable bonds": rdMolDescriptors.CalcNumRotatableBonds,
}
# fmt: off
SMILES = (
    "CC(=O)Oc1ccccc1C(=O)O", "CC(=O)Nc1ccc(O)cc1", "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "CN1CCC[C@H]1c1cccnc1", "OC(=O)c1ccccc1O", "Nc1ccc(cc1)S(N)(=O)=O",
    "CCOC(=O)c1ccc(N)cc1", "CC(N)Cc1ccccc1", "CCN(CC)CC(=O)Nc1c(C)cccc1C",
    "CC(C)NCC(O)COc1cccc2ccccc12", "CN(C)CCOC(c1ccccc1)c1ccccc1", "CCO",
    "O=C1CN=C(c2ccccc2)c2cc(Cl)ccc2N1", "CN(C)C(=N)NC(N)=N", "NCCc1ccc(O)c(O)c1",
    "NCCc1c[nH]c2ccc(O)cc12", "COc1ccc2cc(ccc2c1)C(C)C(=O)O", "OC(=O)Cc1ccccc1Nc1c(Cl)cccc1Cl",
    "CC(C)(C)NCC(O)c1ccc(O)c(CO)c1", "NC(=O)c1cnccn1", "NNC(=O)c1ccncc1", "CC1=CC(=O)c2ccccc2C1=O",
    "Clc1ccccc1C1=NCC(=O)Nc2ccccc12",
)
# fmt: on


def datapoints() -> list[data.MoleculeDatapoint]:
    generator = np.random.default_rng(0)
    points = []
    for smiles in SMILES:
        molecule = Chem.MolFromSmiles(smiles)
        targets = np.array([float(measure(molecule)) for measure in PROPERTIES.values()])
        targets[generator.random(targets.size) < 0.2] = np.nan
        points.append(data.MoleculeDatapoint.from_smi(smiles, targets))
    return points


def main() -> None:
    torch.manual_seed(0)
    points = datapoints()
    train, held_out = data.MoleculeDataset(points[:18]), data.MoleculeDataset(points[18:])
    scaler = train.normalize_targets()
    held_out.normalize_targets(scaler)

    ffn = nn.RegressionFFN(
        n_tasks=len(PROPERTIES),
        input_dim=64,
        hidden_dim=32,
        output_transform=nn.UnscaleTransform.from_standard_scaler(scaler),
    )
    model = models.MPNN(nn.BondMessagePassing(d_h=64), nn.MeanAggregation(), ffn, batch_norm=True)

    probe = GradientProbeCallback(focal="logP", losses=CriterionLosses(list(PROPERTIES)))  # added
    trainer = pl.Trainer(
        max_epochs=8,
        accelerator="cpu",
        logger=pl.loggers.CSVLogger("runs"),
        callbacks=[probe],  # added
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(
        model,
        data.build_dataloader(train, batch_size=6),
        data.build_dataloader(held_out, batch_size=6, shuffle=False),
    )

    table = probe.trace.frame()  # added
    focal = table[(table.quantity == "cosine") & (table.layer == "") & (table.task == "logP")]
    print(focal.groupby(["split", "other"]).value.mean().round(3).to_string())
    print(gradprobe.report(probe.trace, "runs/chemprop_mpnn.html"))  # added


if __name__ == "__main__":
    main()

"""The table of an ablation."""

from __future__ import annotations

from training.report.ablation import tabulate_ablation


def test_the_table_has_the_loss_without_each_augmentation() -> None:
    """Means over seeds, their spread, the loss against the recipe of the same seed; a dash without a figure."""
    results: dict[str, dict[str, dict[str, float | None]]] = {
        "recipe": {"3": {"siren": 0.33, "horn": None}, "5": {"siren": 0.35, "horn": None}},
        "without mixup": {"3": {"siren": 0.03, "horn": None}, "5": {"siren": 0.05, "horn": None}},
        "bare": {"7": {"siren": 0.07}},
    }
    assert tabulate_ablation(results, "recipe").to_markdown().splitlines() == [
        "| variant | seeds | mean AP | against the recipe | siren | horn |",
        "| --- | --- | --- | --- | --- | --- |",
        "| recipe | 2 | 0.340 ± 0.014 | - | 0.340 | - |",
        "| without mixup | 2 | 0.040 ± 0.014 | -0.300 | 0.040 | - |",
        "| bare | 1 | 0.070 | - | 0.070 | - |",
    ]

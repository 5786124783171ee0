"""What CARDS.md says of recipes is written by the tool, and has what `offctx show` prints today."""

from pathlib import Path

from offctx.algos import load_agent
from offctx.analysis.context_sensitivity import sensitivity_summary
from offctx.data.card import card, render
from offctx.data.collection.from_recipe import collect_recipe
from offctx.data.collection.recipe_options import RecipeOptions
from tools.cards import DATASETS, with_checksums, with_sample

PAGE = """# Cards
| one.toml | `{0}` |
| two.toml | `{0}` |

## one.toml

```
old \\1
  sample
```

## two.toml

```
another
```
"""


def test_the_checksum_and_the_sample_of_one_recipe_are_replaced() -> None:
    page = PAGE.format("0" * 64)
    page = with_sample(with_checksums(page, {"two.toml": "1" * 64}), "one.toml", "new \\1\n  text")
    assert page == PAGE.replace("old \\1\n  sample", "new \\1\n  text").replace("{0}", "0" * 64, 1).replace("{0}", "1" * 64)
    assert with_sample(page, "three.toml", "text") == page


def test_a_sample_has_the_lines_that_show_prints(datasets_path: Path) -> None:
    name = "simple-direction-random.toml"
    dataset = collect_recipe(DATASETS / name, load_agent=load_agent, options=RecipeOptions(progress=False))
    page = (DATASETS / "CARDS.md").read_text(encoding="utf-8")
    today = with_sample(page, name, render(card(dataset, sensitivity_summary(dataset))))

    def labels(text: str) -> list[list[str]]:
        return [line.split()[:1] for line in text.splitlines()]

    assert labels(today) == labels(page), f"python tools/cards.py datasets/{name} writes it"

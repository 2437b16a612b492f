"""axe-core beside a page: what the rules of WCAG 2.2, levels A and AA, find wrong on it.

It is put in through the DevTools, so the page's content policy stays as it is served.
"""

from functools import cache
from pathlib import Path

import pytest
from playwright.async_api import Page

SOURCE = Path("node_modules/axe-core/axe.min.js")
RUN = """async () => {
  const asked = {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]};
  const told = await axe.run(document, {runOnly: asked, rules: {"target-size": {enabled: true}}, resultTypes: ["violations"]});
  const most = node => `${node.target.join(" ")}: ${node.failureSummary.split("\\n").slice(1).join(" ").trim()}`;
  return told.violations.flatMap(rule => rule.nodes.slice(0, 4).map(node => `${rule.id} at ${most(node)}`));
}"""


@cache
def source() -> str:
    if not SOURCE.is_file():
        pytest.fail("axe-core is not here: scripts/assets.sh dev")
    return SOURCE.read_text(encoding="utf-8")


async def violations(page: Page) -> list[str]:
    """One line a node: rule, where, what is wrong."""
    await page.evaluate(f"() => {{ {source()} }}")
    found: list[str] = await page.evaluate(RUN)
    return found

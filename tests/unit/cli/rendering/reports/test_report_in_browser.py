"""The report in a real browser: no overflow at 320 and 1280 px, no error, and no finding of axe-core, in both schemes."""

from __future__ import annotations

import pytest

from orchestrator.cli.actions.reports.report import read_report
from orchestrator.cli.rendering.reports.page import render_page
from orchestrator.cli.rendering.reports.recovery_report import recovery_report
from tests.browser import axe_findings, chromium
from tests.recorded import bad_release
from tests.unit.domain.evidence.test_report import CONTENT, drilled

__all__ = ["chromium"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    recorder = bad_release()
    recorder.deploy()
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "rollback": render_page(read_report(recorder.scene.context, "d-1")),
        "drill": render_page(recovery_report(drilled(CONTENT))),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["rollback", "drill"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_a_report_fits_any_screen_in_both_schemes_without_an_error(chromium, pages, name, scheme, width):
    chromium.get_log("browser")
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    chromium.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    chromium.get((pages / f"{name}.html").as_uri())
    widths = chromium.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[1] == width
    assert widths[0] <= width
    ground = chromium.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 29)"}[scheme]
    plotted = chromium.execute_script(
        "return [...document.querySelectorAll('svg.plot')].map(svg => [svg.getBoundingClientRect().width,"
        " getComputedStyle(svg).backgroundColor])"
    )
    assert plotted
    assert all(pixels >= 280 and colour == ground for pixels, colour in plotted)
    assert chromium.get_log("browser") == []
    assert axe_findings(chromium) == []

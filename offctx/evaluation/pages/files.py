"""The files of a written report, but for its numbers."""

from offctx.evaluation.pages.html import page_html
from offctx.evaluation.pages.markdown import page_markdown
from offctx.evaluation.pages.page import report_page
from offctx.evaluation.verdicts import JudgedRuns


def page_files(runs: JudgedRuns) -> dict[str, bytes]:
    """File name -> content: a PNG per split, one against distance where that is known, report.md, report.html."""
    page = report_page(runs)
    return {
        **{picture.file: picture.png for picture in page.pictures},
        "report.md": page_markdown(page).encode(),
        "report.html": page_html(page).encode(),
    }

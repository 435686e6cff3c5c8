"""Assessments to a page that opens anywhere: one self-contained HTML file, streamed patient by patient."""

from cygnet.report.card import card_markdown
from cygnet.report.html import write_html
from cygnet.report.strip import strip_plot

__all__ = ["card_markdown", "strip_plot", "write_html"]

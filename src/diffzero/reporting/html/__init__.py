"""The report: one HTML page that opens without a network."""

from diffzero.reporting.html.page import ReportContents, RunFacts, render_page
from diffzero.reporting.html.provenance import list_provenance

__all__ = ["ReportContents", "RunFacts", "list_provenance", "render_page"]

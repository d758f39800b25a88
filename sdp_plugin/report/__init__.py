"""The report of a grid: from its work directory to a page, tables and data. Imports no torch."""

from sdp_plugin.report.write import write_report

__all__ = ['write_report']

"""Tests of the statistics' parts: specs, input rules, designs, diagnostics, the gate, storage."""

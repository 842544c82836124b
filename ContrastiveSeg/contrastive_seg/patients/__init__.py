"""What a run has learnt, applied to other patients: one after the other, measured, drawn and reported."""

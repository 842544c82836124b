"""From what the session reports to events of the protocol."""

from __future__ import annotations

import math

from contrastive_seg.atomic import write_error
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.events import Event, Note, Preview, Progress
from contrastive_seg.runs import HistoryPoint
from contrastive_seg.worker.channel import EventWriter
from contrastive_seg.worker.protocol import Id
from contrastive_seg.worker.run import Run


class Relay:
    """Sends on what the session reports. That a curve or preview cannot be saved is only noted:
    the training itself is worth more."""

    def __init__(self, writer: EventWriter, run: Run, id_: Id) -> None:
        self._writer = writer
        self._run = run
        self._id = id_
        self._noted: set[str] = set()

    def __call__(self, event: Event) -> None:
        try:
            self._send(event)
        except ContrastiveSegError as error:
            self._note(error)
        except OSError as error:
            self._note(write_error(self._run.folder.path, error))

    def _send(self, event: Event) -> None:
        if isinstance(event, Progress):
            left = None if event.seconds_left is None else round(event.seconds_left, 1)
            fraction = round(min(max(event.fraction, 0.0), 1.0), 4)
            self._writer.progress(reply_to=self._id, stage=event.stage, fraction=fraction, seconds_left=left)
        elif isinstance(event, HistoryPoint):
            loss = event.loss if math.isfinite(event.loss) else None
            dice = {str(value): dice for value, dice in event.dice.items() if math.isfinite(dice)}
            self._writer.send("metric", reply_to=self._id, step=event.step, loss=loss, dice=dice)
            if loss is not None:
                self._run.history.add(event)
        elif isinstance(event, Preview):
            name = self._run.previews.write(event.case, event.prediction.labels)
            if name is not None:
                self._writer.send("preview", reply_to=self._id, case=event.case, prediction=name)
        elif isinstance(event, Note):
            self._writer.send("note", reply_to=self._id, code=event.code, message=event.sentence)

    def _note(self, error: ContrastiveSegError) -> None:
        if error.code not in self._noted:
            self._noted.add(error.code)
            self._writer.send("note", reply_to=self._id, code=error.code, message=str(error))

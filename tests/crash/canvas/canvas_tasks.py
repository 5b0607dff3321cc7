"""The application of the canvas torture: the model's tasks, for workers that are killed."""

import os

from canvas_model import tasks_of
from millrace import Millrace

app = Millrace("canvas", store=os.environ["TORTURE_STORE"], durability="process")
tasks = tasks_of(app)

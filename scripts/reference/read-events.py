"""What does TensorBoard itself find in a run's event files? Prints it as JSON.

    pip install tensorboard
    python scripts/reference/read-events.py runs/001-mnist/tensorboard
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
events.Reload()
tags = events.Tags()
print(
    json.dumps(
        {
            "scalars": {
                tag: [[e.step, e.wall_time, e.value] for e in events.Scalars(tag)]
                for tag in tags["scalars"]
            },
            "images": {
                tag: [[e.step, e.width, e.height, len(e.encoded_image_string)] for e in events.Images(tag)]
                for tag in tags["images"]
            },
        },
        indent=1,
    )
)

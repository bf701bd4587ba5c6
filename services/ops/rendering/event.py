"""A domain event for a person: one line."""

import json

from rich.text import Text

from shared.contracts.cloud_event import CloudEvent


def event_line(event: CloudEvent) -> Text:
    data = {name: value for name, value in event.data.items() if name != f"{event.aggregatetype}_id"}
    return Text.assemble(
        (event.time.strftime("%H:%M:%S.%f")[:-3], "dim"),
        "  ",
        (f"{event.type:<17}", "bold cyan"),
        f" {event.subject}@{event.aggregateversion}",
        (f"  {json.dumps(data, ensure_ascii=False)}" if data else "", "dim"),
    )

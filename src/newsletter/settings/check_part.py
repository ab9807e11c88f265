"""`[check]`: what the pre-flight of a digest looks at outside of the digest itself."""

from __future__ import annotations

from pydantic import Field

from newsletter.settings.parts import Part


class CheckPart(Part):
    """`[check]`: the pre-flight."""

    spam_limit: float = Field(
        1.0, gt=0, description="SpamAssassin's score from which `check` warns, where it is there."
    )

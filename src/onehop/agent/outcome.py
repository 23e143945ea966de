"""What a pass of the engine tells the rest of the agent."""

from collections.abc import Mapping

import msgspec

from onehop.agent.board import Entry
from onehop.agent.regency import Said
from onehop.agent.tenure import Question
from onehop.model.topology import Ref


class Outcome(msgspec.Struct, frozen=True):
    """What a pass changed.

    Attributes:
        revision: of the view.
        changed: states that are different now; None: nothing is held of it any more.
        settled: nothing is dirty any more; what fails is waiting for its retry.
        errors: number of kernel objects that are not as they should be.
        equipped: how often the plugs had changed before it.
        questions: what is to be asked for on the external networks.
        ears: whom to listen for there, if that is different now; see `Permits.ears`.
        said: who acts as routers' owner without a controller's word, if that is different now.
    """

    revision: int
    changed: Mapping[Ref, Entry | None]
    settled: bool
    errors: int
    equipped: int
    questions: tuple[Question, ...] = ()
    ears: Mapping[Question, str] | None = None
    said: Said | None = None

"""Maestro's graph: each node does one thing for a project, writes the next phase, and goes there or waits.

The graph saves no state: the tables are the only truth, and a project is entered at the node that its
`phase` names.
"""

from functools import cache
from typing import Any

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from app.domain.project import Phase
from workers.maestro.context import Context, State
from workers.maestro.deliver import deliver
from workers.maestro.dispatch import dispatch
from workers.maestro.integrate import integrate, verify
from workers.maestro.parse import parse
from workers.maestro.plan import approve, plan
from workers.maestro.review import review
from workers.maestro.settle import cancel, escalate, settle

Graph = CompiledStateGraph[State, Context, State, State]

NODES: dict[Phase, Any] = {
    Phase.parse: parse,
    Phase.plan: plan,
    Phase.approve: approve,
    Phase.dispatch: dispatch,
    Phase.integrate: integrate,
    Phase.verify: verify,
    Phase.review: review,
    Phase.deliver: deliver,
    Phase.settle: settle,
    Phase.escalate: escalate,
    Phase.cancel: cancel,
}


def build() -> Graph:
    """Return the compiled graph; its edges are the destinations that the nodes' types name."""
    graph = StateGraph(State, context_schema=Context)
    for phase, node in NODES.items():
        graph.add_node(phase.value, node)
    graph.add_conditional_edges(START, lambda state: state["phase"].value, [phase.value for phase in NODES])
    return graph.compile()


async def run(context: Context, phase: Phase) -> None:
    """Run a project from a phase until it waits or ends."""
    await _compiled().ainvoke({"phase": phase}, context=context)


@cache
def _compiled() -> Graph:
    return build()

"""The code-generation graph: spec, generate, validate, format, test, commit, and the ways back."""

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from workers.codegen.finish import commit, give_up, reflect
from workers.codegen.generate import generate, spec
from workers.codegen.state import Context, State
from workers.codegen.validate import format_, test, validate

Graph = CompiledStateGraph[State, Context, State, State]

NODES: dict[str, Any] = {
    "spec": spec,
    "generate": generate,
    "validate": validate,
    "format": format_,
    "test": test,
    "commit": commit,
    "reflect": reflect,
    "give_up": give_up,
}
MOST_STEPS = 500  # of the graph, over all attempts: the bounds within it end it long before


def build(saver: BaseCheckpointSaver[Any] | None) -> Graph:
    """Return the compiled graph; its edges are the destinations that the nodes' types name."""
    graph = StateGraph(State, context_schema=Context)
    for name, node in NODES.items():
        graph.add_node(name, node)
    graph.add_edge(START, "spec")
    return graph.compile(checkpointer=saver)


async def run(graph: Graph, context: Context) -> None:
    """Run a task's round to its end, from the last saved state where there is one.

    Raises whatever the world outside answered: `Transient`, `ModelError`, `BudgetExceeded`, `LeaseLost`, …
    """
    thread = f"{context.task.id}:{context.task.round}"
    config: Any = {"configurable": {"thread_id": thread}, "recursion_limit": MOST_STEPS}
    saved = await graph.aget_state(config)
    if saved.values:
        await context.worktree.restore(saved.values.get("patch", b""))
    if saved.values and not saved.next:
        return  # the round is over; its end was written before the state was saved
    await graph.ainvoke(None if saved.values else {}, config, context=context)

"""The memory of the state machine: one array of whole numbers, and what stands at which place of it.

The first cells are those of the clock, of the set-up's rules and of the places of tables. Then the tables follow: rows
of columns, as named below. A row is known by the place of its first column.
"""

from __future__ import annotations

from sim.machine.lock import LOAD_PASSES
from sim.machine.states import State

__all__: list[str] = []

STATES = len(State)
# The first cells: the clock ...
(NOW, ORDER, EVENTS, DONE, GOAL, CURRENT, STOPS, IS_ENDING, ROWS, IS_RECORDING, REQUESTS, SLICE_END, CORE_NS,
 GIL_NS, GIL_HELD, GIL_FIRST, GIL_LAST, SEEN, CLOCK) = range(19)  # fmt: skip
# ... the rules (PARALLEL holds the bits of a float) ...
(QUANTUM, SWITCH, SLOWDOWN, PARALLEL, INTERVAL, TURN, WAKE, IS_FAIR, STAY, DISPATCH, DISCIPLINE, MOST_IN_A_ROW,
 SEGMENTS, RULES) = range(CLOCK, CLOCK + 14)  # fmt: skip
BIND, ROUND_ROBIN, LEAST_LOADED, AFFINITY = range(4)
FIFO, PRIORITY, SHORTEST, SAME_MODEL = range(4)
# ... the places of tables, and how many rows they have.
(OPERATIONS_AT, NETWORKS_AT, PAIRS_AT, STAGES_AT, STEPS_AT, TURNS_AT, HEAP_AT, CORES_AT, THREADS_AT, ACCELERATORS_AT,
 LOADED_AT, LINKS_AT, PASSES_AT, ROWS_AT, TABLES) = range(RULES, RULES + 15)  # fmt: skip
(THREADS_N, ACCELERATORS_N, NETWORKS_N, STAGES_N, TURNS_N, CORES_N, ROWS_N, CELLS) = range(TABLES, TABLES + 8)
# An operation: what to do, its work or stage, its state or segment; of a burst: how many cores at once, and whether it
# goes on with the next operation
KIND, WHAT, STATE, WIDTH, GOES_ON, OPERATION_COLUMNS = range(6)
BEGIN, BURST, LOCKED, PASS, CALL, RETURN, SLEEP, COMPLETE = range(8)
# A network; and a network on an accelerator: its first operation, its ns alone, its token
PLACE, TOKEN, ALONE, NETWORK_COLUMNS = range(4)
PROGRAM_AT, ALONE_THERE, TOKEN_THERE, PAIR_COLUMNS = range(4)
# A stage, and a step of its program
(DRIVER, LATENCY, SEND, PROGRAM, OUTPUT, COPY, LOAD_BYTES, LOAD, SEND_BYTES, STEPS, FIRST_STEP, HELD_NS,
 STAGE_COLUMNS) = range(13)  # fmt: skip
COMPUTE, PARAMETERS, STREAMED, STEP_COLUMNS = range(4)
# A thread's network in its turn: which, and the accelerator where the dispatch starts from
TURN_MODEL, HOME, TURN_COLUMNS = range(3)
# An event
TIME, RANK, WHO, EVENT_COLUMNS = range(4)
# A thread; its last columns are times by state
(OPERATION, PHASE, LEFT, SINCE, PART, SLICE, GRANTED, HELD_AT, SENT, COMPUTED, UNTIL, CHUNK, CHUNKS, SENDING, THEN,
 STEP, SERVED, MODEL, TURN_OF, START, CALLED, INVOKED, PROMISED, IS_RUNNING, NEXT, SOUGHT,
 SPENT) = range(27)  # fmt: skip
THREAD_COLUMNS = SPENT + STATES
# An accelerator. Then the last moments at which its lock was let go, each with the work of all cores until then. The
# last columns are times by state
(LINK, HELD, HOLDER_MODEL, FIRST, LAST, IS_WAKING, IS_OWED, WAS_RACED, IN_A_ROW, NOW_TOKEN, AGE, IN_USE, CHOSEN_FOR,
 WAITED, LOADS_NS, LOADS_BYTES, WOKEN, STAYS, SEEN_AT) = range(19)  # fmt: skip
BUSY = SEEN_AT + 2 * LOAD_PASSES
ACCELERATOR_COLUMNS = BUSY + STATES
# A link
IS_SHARED, CHUNK_BYTES, OUT_FREE, IN_FREE, LINK_COLUMNS = range(5)
# Passes of a stage through an accelerator: how many, and how many other kinds came before the first of them
COUNT, PLACE_SEEN, PASS_COLUMNS = range(3)
# A completed inference; a column stands together
END, OF_MODEL, LATENCY_NS, INVOKE_NS, OF_THREAD, BY, ROW_COLUMNS = range(7)
# Phases of an operation
ASK, FOLLOWS, WAITS, TURNS, HOLDS, LOADED, SENDS, DISPATCHED, IS_SENT, COMPUTES, RETURNS, COPIES = range(12)
#: Why a run stands still.
COMPLETED, ENDED, TOO_LONG = range(3)
LONGEST_NS = 1 << 50  # beyond, totals may not fit in 64 bits
STOP, END_OF_RUN, NOBODY = -1, -2, -3  # who an event is for, where it is neither a thread nor a lock

NS_WAIT, NS_INSTRUCTIONS, NS_PARAMETERS = int(State.WAIT), int(State.INSTRUCTIONS), int(State.PARAMETERS)
NS_OUTPUT, NS_HOST_COPY, NS_GIL_WAIT = int(State.OUTPUT), int(State.HOST_COPY), int(State.GIL_WAIT)
NS_LOAD, NS_SENT = int(State.LOAD_PARAMETERS), int(State.TRANSFER_OUT)

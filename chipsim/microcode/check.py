"""What a rule may not say: the refusals of a parsed program, in the order in which they are tried.

Refusals of a single line's form stand in forms.py, of a single declaration in declare.py, of the
file's layout in syntax.py; what depends on chip or experiment is refused by bind.py.
"""

from __future__ import annotations

from chipsim.microcode import refuse_declarations as declarations
from chipsim.microcode import refuse_lines as lines
from chipsim.microcode import refuse_products as products
from chipsim.microcode import refuse_replay as replay
from chipsim.microcode.program import Program
from chipsim.microcode.source import Source

CHECKS = (
    declarations.duplicate_name,
    declarations.reserved_name,
    declarations.weight_owner,
    declarations.second_weight,
    declarations.per_context_owner,
    declarations.publish_owner,
    declarations.temp_flags,
    declarations.keep_owner,
    declarations.weight_init,
    declarations.init_range,
    declarations.param_range,
    declarations.table_steps,
    declarations.table_shape,
    declarations.table_argument,
    declarations.circuit_use,
    declarations.history_name,
    lines.unknown_name,
    lines.read_only,
    lines.operand_kind,
    lines.comparison_target,
    lines.layer_sum,
    lines.layer_two_sides,
    lines.operand_owner,
    lines.signal_section,
    lines.membrane_reach,
    lines.table_call,
    lines.temp_before_write,
    products.product_target,
    products.product_factor,
    products.product_gate,
    lines.never_written,
    lines.never_used,
    lines.late_publish,
    replay.replay_history,
    replay.history_twice,
    replay.history_signal,
    replay.replay_writes_history,
    replay.replay_stale,
    replay.history_unread,
)


def check(program: Program) -> None:
    """Run every refusal; raises RuleError at the first that applies."""
    at = Source(program.path, program.source)
    for refusal in CHECKS:
        refusal(program, at)

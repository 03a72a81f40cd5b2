"""LearningDense whose weights also carry signals back: e_out = weights^T e_in, in the same step."""

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.connection import LearningConnectionModelBitApproximate
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import AbstractPyDenseModelBitAcc
from lava.proc.dense.process import LearningDense
from lava.utils.weightutils import truncate_weights


class FeedbackLearningDense(LearningDense):
    """A LearningDense with e_in (one number per neuron) and e_out (one per axon): weights from before this
    step's learning."""

    def __init__(self, *, weights: np.ndarray, **options: object):
        super().__init__(weights=weights, **options)
        self.e_in = InPort(shape=(weights.shape[0],))
        self.e_out = OutPort(shape=(weights.shape[1],))


@implements(proc=FeedbackLearningDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyFeedbackLearningDenseModel(LearningConnectionModelBitApproximate, AbstractPyDenseModelBitAcc):
    """PyLearningDenseModelBitApproximate with the way back before its traces are received."""

    e_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    e_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)

    def run_spk(self) -> None:
        """The SPK phase of one step."""
        exponent = self.proc_params.get("weight_exp", 0)
        if not self.weights_set:
            bits = self.proc_params.get("num_weight_bits", 8)
            self.weights = truncate_weights(self.weights, sign_mode=self.sign_mode, num_weight_bits=bits)
            self.weights_set = True
        self.a_out.send(self.a_buff)
        s_in = self.s_in.recv()
        if self.num_message_bits.item() > 0:
            total = self.weights.dot(s_in)
        else:
            s_in = s_in.astype(bool)
            total = self.weights[:, s_in].sum(axis=1)
        self.a_buff = np.left_shift(total, exponent) if exponent > 0 else np.right_shift(total, -exponent)
        self.e_out.send(self.weights.astype(np.int64).T @ self.e_in.recv())
        self.recv_traces(s_in)

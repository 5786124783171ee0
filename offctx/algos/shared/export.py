"""Policies as TorchScript and ONNX files."""

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from offctx.errors import AlgorithmError


class ExportsPolicies:
    """A base class that comes before d3rlpy's: its `save_policy` writes ONNX with any version of torch.

    d3rlpy's own `save_policy` gives a traced policy to torch's default exporter. Newer defaults refuse traced modules.
    """

    _impl: Any

    def save_policy(self, fname: str) -> None:
        """Write the policy's mode, scalers included, to a file that works without d3rlpy.

        Args:
            fname: ends in .pt for TorchScript, or .onnx for ONNX, which then takes batches of any size.

        Raises:
            AlgorithmError: the package onnx, which torch needs for this, is not installed.
        """
        write = super().save_policy  # type: ignore[misc]  # d3rlpy's
        if self._impl is None or not fname.endswith(".onnx"):
            write(fname)
            return
        example = torch.rand(2, *self._impl.observation_shape)
        with tempfile.TemporaryDirectory() as folder:
            traced = str(Path(folder) / "policy.pt")
            write(traced)
            policy = torch.jit.load(traced, map_location="cpu")  # type: ignore[no-untyped-call]  # torch does not type it
            write_onnx(policy, (example,), fname, ["input_0"], "output_0")


def write_onnx(
    traced: Any, example: tuple[torch.Tensor, ...], path: str, inputs: list[str], output: str, slots: Sequence[str] = ()
) -> None:
    """Write a traced module on the CPU as ONNX, which takes batches of any size.

    Args:
        traced: of `torch.jit`.
        example: of its inputs.
        path: of the file.
        inputs: their names.
        output: the name of what it gives.
        slots: the inputs whose second dimension may have any size too.

    Raises:
        AlgorithmError: the package onnx, which torch needs for this, is not installed.
    """
    axes = {name: {0: "batch"} | ({1: "slots"} if name in slots else {}) for name in [*inputs, output]}
    names = {"input_names": inputs, "output_names": [output]}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch recommends its newer exporter here
            torch.onnx.export(traced, example, path, dynamo=False, dynamic_axes=axes, **names)  # type: ignore[arg-type]
    except torch.onnx.errors.OnnxExporterError as error:
        if "onnx is not installed" in str(error):
            raise AlgorithmError("to write a policy as ONNX, torch needs the package onnx: pip install onnx") from error
        raise

"""Policies as ONNX files, from any learner of d3rlpy's kind."""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from offctx.errors import AlgorithmError


class ExportsPolicies:
    """For a learner, before d3rlpy's class: `save_policy` that writes ONNX with any torch.

    d3rlpy's own hands its traced policy to torch's newer exporter where that is the default, which does not take one.
    """

    _impl: Any

    def save_policy(self, fname: str) -> None:
        """Write the policy's mode, scalers included, as TorchScript (.pt) or ONNX (.onnx), which work without d3rlpy.

        ONNX takes batches of any size.

        Raises:
            AlgorithmError: the package onnx, which torch needs for this, is not installed.
        """
        write = super().save_policy  # type: ignore[misc]  # d3rlpy's
        if self._impl is None or not fname.endswith(".onnx"):
            write(fname)
            return
        example = torch.rand(2, *self._impl.observation_shape)
        options: dict[str, Any] = {"input_names": ["input_0"], "output_names": ["output_0"]}
        options["dynamic_axes"] = {"input_0": {0: "batch"}, "output_0": {0: "batch"}}
        try:
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch would rather be asked for the newer exporter
                traced = str(Path(folder) / "policy.pt")
                write(traced)
                policy = torch.jit.load(traced, map_location="cpu")  # type: ignore[no-untyped-call]  # torch does not type it
                torch.onnx.export(policy, (example,), fname, dynamo=False, **options)
        except torch.onnx.errors.OnnxExporterError as error:
            if "onnx is not installed" in str(error):
                raise AlgorithmError("to write a policy as ONNX, torch needs the package onnx: pip install onnx") from error
            raise

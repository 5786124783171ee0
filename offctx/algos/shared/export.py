"""Policies as TorchScript and ONNX files."""

import tempfile
import warnings
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
        options: dict[str, Any] = {"input_names": ["input_0"], "output_names": ["output_0"]}
        options["dynamic_axes"] = {"input_0": {0: "batch"}, "output_0": {0: "batch"}}
        try:
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch recommends its newer exporter here
                traced = str(Path(folder) / "policy.pt")
                write(traced)
                policy = torch.jit.load(traced, map_location="cpu")  # type: ignore[no-untyped-call]  # torch does not type it
                torch.onnx.export(policy, (example,), fname, dynamo=False, **options)
        except torch.onnx.errors.OnnxExporterError as error:
            if "onnx is not installed" in str(error):
                raise AlgorithmError("to write a policy as ONNX, torch needs the package onnx: pip install onnx") from error
            raise

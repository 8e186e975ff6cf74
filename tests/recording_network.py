"""A network that is none: it keeps what it is shown."""

import torch


class RecordingNetwork(torch.nn.Module):
    """Stands for a network: keeps its inputs, (N, C, H, W), and gives its answer to each."""

    def __init__(self, in_channels=7):
        super().__init__()
        self.in_channels = in_channels
        self.fill = "mean"
        self.inputs = []

    def forward(self, x):
        self.inputs.append(x)
        return self.answer(x[:, :3])

    def answer(self, frame):
        """What is painted of a frame (N, 3, H, W), alike."""
        return frame

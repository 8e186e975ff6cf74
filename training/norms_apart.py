"""One network for many paintings: all weights are shared but the norms' (Dumoulin et al. 2017)."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from brushflow.common.errors import UsageError
from brushflow.models import StyleNetwork


class NormsApart(nn.Module):
    """A network whose normalizations have scales and shifts of their own for every painting.

    ``chosen`` is the painting whose norms are used, from 0 up; only these and the shared weights
    get gradients. ``network`` holds the shared weights; what its norms hold is not used.
    UsageError for a network without instance norms that have weights.
    """

    def __init__(self, network: StyleNetwork, count: int) -> None:
        super().__init__()
        self.network = network
        self.in_channels = network.in_channels
        self.chosen = 0
        norms = {
            f"{name}.{kind}": parameter
            for name, module in network.named_modules()
            if isinstance(module, nn.InstanceNorm2d)
            for kind, parameter in module.named_parameters()
        }
        if not norms:
            raise UsageError(
                f"Paintings are learned apart by the weights of instance norms, and with "
                f"{network.norm} normalization there are none.",
                about="norm",
            )
        self._names = list(norms)
        self.norms = nn.ModuleList(
            nn.ParameterList(nn.Parameter(p.detach().clone()) for p in norms.values())
            for _ in range(count)
        )
        for parameter in norms.values():
            parameter.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        own: dict[str, Tensor] = dict(zip(self._names, self._norms_of(self.chosen), strict=True))
        return functional_call(self.network, own, (x,))

    @torch.no_grad()
    def share_norms(self) -> None:
        """Let all paintings begin from the first one's norms."""
        for painting in range(1, len(self.norms)):
            for own, first in zip(self._norms_of(painting), self._norms_of(0), strict=True):
                own.copy_(first)

    def _norms_of(self, painting: int) -> list[nn.Parameter]:
        """Its scales and shifts, in the order of the names."""
        return list(self.norms[painting].parameters())

    def state_of(self, painting: int | None) -> dict[str, Tensor]:
        """The weights of a plain network for one painting; None: with the mean of all norms."""
        state = self.network.state_dict()
        paintings = range(len(self.norms)) if painting is None else [painting]
        norms = [self._norms_of(each) for each in paintings]
        for name, *all_of_it in zip(self._names, *norms, strict=True):
            state[name] = torch.stack([p.detach() for p in all_of_it]).mean(0)
        return state

"""Long filters as sums of decaying oscillations, applied as a convolution or as a recurrence.

Shape suffixes: S sequences, N positions, n chunks, T positions of a chunk, C channels, h heads, d
channels of a head, M modes, Y real numbers of a state (2 M).
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from .chunks import split_evenly
from .gated_linear import CHUNK


class ModalFilter(nn.Module):
    """A causal filter for each head: tap t is the real part of the sum of ``residue * pole^(t -
    1)``, tap 0 is learned."""

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"log_decay_hM", "angle_hM"})

    def __init__(self, heads: int, *, modes: int, form: str) -> None:
        super().__init__()
        self.form = form
        self.log_decay_hM = nn.Parameter(torch.linspace(-5.0, 0.0, modes).repeat(heads, 1))
        self.angle_hM = nn.Parameter(torch.rand(heads, modes) * torch.pi)
        self.residue_2hM = nn.Parameter(torch.randn(2, heads, modes) / modes)
        self.direct_h = nn.Parameter(torch.ones(heads))

    def powers(self, length: int) -> Tensor:
        """Return real and imaginary part of the poles' powers 0 to ``length``: (2, h, M, T + 1)."""
        steps = torch.arange(length + 1, device=self.angle_hM.device, dtype=torch.float32)
        size = (-self.log_decay_hM.float().exp()[..., None] * steps).exp()
        turned = self.angle_hM.float()[..., None] * steps
        return torch.stack([size * turned.cos(), size * turned.sin()])

    def weighed(self, powers_2hMT: Tensor) -> tuple[Tensor, Tensor]:
        """Return real and imaginary part of residues times powers."""
        (re, im), (cos, sin) = self.residue_2hM.float()[..., None].unbind(0), powers_2hMT.unbind(0)
        return re * cos - im * sin, re * sin + im * cos

    def taps(self, length: int) -> Tensor:
        """Return the first taps of each head: (h, T)."""
        later = self.weighed(self.powers(length))[0].sum(1)[:, : length - 1]
        return torch.cat([self.direct_h.float()[:, None], later], dim=1)

    def forward(self, x_SNC: Tensor) -> Tensor:
        """Map (S, N, C) to itself."""
        x_ShNd = x_SNC.float().unflatten(2, (len(self.direct_h), -1)).transpose(1, 2)
        run = self.convolved if self.form == "convolution" else self.recurrent
        return run(x_ShNd).transpose(1, 2).flatten(2).to(x_SNC.dtype)

    def convolved(self, x_ShNd: Tensor) -> Tensor:
        """Return the convolution with the filter, by Fourier transforms of twice the length."""
        N = x_ShNd.shape[2]
        taps_hN1 = self.taps(N)[..., None]
        product = torch.fft.rfft(x_ShNd, 2 * N, dim=2) * torch.fft.rfft(taps_hN1, 2 * N, dim=1)
        return torch.fft.irfft(product, 2 * N, dim=2)[:, :, :N]

    def recurrent(self, x_ShNd: Tensor) -> Tensor:
        """Return the same by a state of each mode, carried from chunk to chunk."""
        N = x_ShNd.shape[2]
        x_ShnTd = split_evenly(x_ShNd, 2, -(-N // CHUNK))
        T = x_ShnTd.shape[3]
        powers_2hMT = self.powers(T)
        places = torch.arange(T, device=x_ShNd.device)
        apart_TT = (places[:, None] - places).clamp(min=0)
        within_hTT = self.taps(T)[:, apart_TT].tril()
        y_ShnTd = within_hTT[:, None] @ x_ShnTd

        write_hYT = powers_2hMT[..., :T].flip(-1).transpose(0, 1).flatten(1, 2)
        added = write_hYT[:, None] @ x_ShnTd
        re, im = self.weighed(powers_2hMT[..., :T])
        read_hTY = torch.cat([re, -im], dim=1).transpose(1, 2)
        cos_hM1, sin_hM1 = powers_2hMT[..., T:].unbind(0)
        cos_hY1, sin_hY1 = torch.cat([cos_hM1] * 2, 1), torch.cat([-sin_hM1, sin_hM1], 1)
        states = [torch.zeros_like(added[:, :, 0])]
        for each in added.unbind(2)[:-1]:  # a product of complex numbers
            kept = torch.addcmul(each, states[-1], cos_hY1)
            turned = states[-1].roll(cos_hM1.shape[1], 2)
            states.append(torch.addcmul(kept, turned, sin_hY1))
        y_ShnTd = y_ShnTd + read_hTY[:, None] @ torch.stack(states, dim=2)
        return y_ShnTd.flatten(2, 3)[:, :, :N]

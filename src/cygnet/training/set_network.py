"""The set transformer over a patient's lesions, in torch."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from cygnet.context.learned import PAIR, PATIENT, SITES, TOKEN

WIDTH: Final = 48
HEADS: Final = 4
LAYERS: Final = 2


class Attention(nn.Module):
    """Attention over the siblings and one patient token; how far apart two lesions look biases it.

    A lesion does not attend to itself: its own state is in the residual, so what it hears is of others.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ask, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.pair = nn.Sequential(nn.Linear(PAIR, 16), nn.GELU(), nn.Linear(16, HEADS))
        self.join = nn.Linear(WIDTH, WIDTH)
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.think = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, state: Tensor, patient: Tensor, pairs: Tensor, blocked: Tensor) -> Tensor:
        """``state`` (b, n, w), ``patient`` (b, 1, w), ``pairs`` (b, n, n, 2), ``blocked`` (b, n, n) of 0 and -1e4."""
        b, n, w = state.shape
        heard = torch.cat([self.first(state), patient], dim=1)
        query = self.ask(heard[:, :n]).view(b, n, HEADS, -1).transpose(1, 2)
        key = self.key(heard).view(b, n + 1, HEADS, -1).transpose(1, 2)
        value = self.value(heard).view(b, n + 1, HEADS, -1).transpose(1, 2)
        logits = query @ key.transpose(2, 3) / (w // HEADS) ** 0.5
        bias = self.pair(pairs).permute(0, 3, 1, 2) + blocked[:, None]
        logits = torch.cat([logits[..., :n] + bias, logits[..., n:]], dim=-1)
        mixed = (torch.softmax(logits, dim=-1) @ value).transpose(1, 2).reshape(b, n, w)
        state = state + self.join(mixed)
        return torch.add(state, self.think(self.second(state)))


class SetNetwork(nn.Module):
    """Tokens of lesions to one number each in (-1, 1); see ``cygnet.context.learned`` for what they are.

    Site is an embedding added to the lesion's token; age, whether it is known, and the number of lesions are the patient
    token, which is always there: a lesion alone attends to it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(TOKEN, WIDTH)
        self.site = nn.Embedding(SITES + 1, WIDTH)
        self.patient = nn.Linear(PATIENT, WIDTH)
        self.layers = nn.ModuleList(Attention() for _ in range(LAYERS))
        self.leave = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 1))

    def forward(
        self, lesions: Tensor, sites: Tensor, pairs: Tensor, patients: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """(b, n); ``mask`` (b, n) bool is True for lesions that are there."""
        n = lesions.shape[1]
        state = self.enter(lesions) + self.site(sites)
        patient = self.patient(patients)[:, None]
        blocked = torch.eye(n, dtype=lesions.dtype)[None].expand(lesions.shape[0], n, n)
        if mask is not None:
            blocked = torch.maximum(blocked, (~mask)[:, None, :].to(lesions.dtype))
        blocked = blocked * -1e4
        for layer in self.layers:
            state = layer(state, patient, pairs, blocked)
        return torch.tanh(self.leave(state)[..., 0])

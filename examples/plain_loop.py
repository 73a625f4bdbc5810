"""A plain PyTorch loop, recorded: each `run.` line says where the loop is."""

import torch

import vlog

features = torch.randn(512, 8)
data = torch.utils.data.TensorDataset(features, features.sum(1, keepdim=True))
loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True)
model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)


def loss_of(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the loss of a batch."""
    return torch.nn.functional.mse_loss(model(inputs), targets)


with vlog.training_run(model=model, optimizer=optimizer, config={"batch_size": 16}) as run:
    for _ in run.epochs(3):
        for inputs, targets in run.steps(loader):
            loss = loss_of(inputs, targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            run.log(loss=loss)
        with run.evaluation(), torch.no_grad():
            run.log(eval_loss=loss_of(*data[:128]))
        with run.checkpoint("model.pt"):
            torch.save(model.state_dict(), "model.pt")

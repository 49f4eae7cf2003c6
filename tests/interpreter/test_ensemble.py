import torch

from datasetgan_ext.interpreter.ensemble import Ensemble


def make_ensemble(members=3, channels=6, hidden=(5, 4), outputs=3) -> Ensemble:
    """An ensemble in which no parameter has the value that hides a mistake."""
    torch.manual_seed(0)
    ensemble = Ensemble(members, channels, hidden, outputs)
    for tensor in ensemble.state_dict().values():
        if tensor.dtype.is_floating_point:
            tensor.copy_(torch.rand_like(tensor) + 0.3 if tensor.ndim == 1 else torch.randn_like(tensor))
    return ensemble.eval()


def member_as_plain_network(ensemble: Ensemble, member: int) -> torch.nn.Sequential:
    """One member as the layers of the paper, one after the other."""
    layers = []
    for depth, (weight, bias) in enumerate(zip(ensemble.weights, ensemble.biases)):
        linear = torch.nn.Linear(weight.shape[2], weight.shape[1])
        linear.weight.data, linear.bias.data = weight[member].data, bias[member].data
        layers.append(linear)
        if depth < len(ensemble.norms):
            norm = torch.nn.BatchNorm1d(weight.shape[1])
            part = slice(member * weight.shape[1], (member + 1) * weight.shape[1])
            for name in ('weight', 'bias', 'running_mean', 'running_var'):
                getattr(norm, name).data = getattr(ensemble.norms[depth], name).data[part].clone()
            layers += [torch.nn.ReLU(), norm]
    return torch.nn.Sequential(*layers)


def test_members_equal_plain_networks_in_evaluation():
    ensemble = make_ensemble()
    x = torch.randn(3, 20, 6)
    logits = ensemble(x)
    for member in range(3):
        plain = member_as_plain_network(ensemble, member).eval()
        expected = plain((x[member] - ensemble.input_mean) / ensemble.input_std)
        assert torch.allclose(logits[member], expected, atol=1e-4)


def test_members_equal_plain_networks_in_training():
    ensemble = make_ensemble().train()
    x = torch.randn(3, 20, 6)
    plain = [member_as_plain_network(ensemble, member).train() for member in range(3)]
    logits = ensemble(x)
    for member in range(3):
        expected = plain[member]((x[member] - ensemble.input_mean) / ensemble.input_std)
        assert torch.allclose(logits[member], expected, atol=1e-4)
        running = ensemble.norms[0].running_mean.reshape(3, -1)[member]
        assert torch.allclose(running, plain[member][2].running_mean, atol=1e-5)


def test_folded_layers_are_the_same_function():
    ensemble = make_ensemble()
    x = torch.randn(3, 20, 6)
    hidden = x
    for depth, (weight, bias) in enumerate(ensemble.folded()):
        hidden = torch.relu(hidden) if depth else hidden
        hidden = hidden @ weight.mT + bias[:, None]
    assert torch.allclose(hidden, ensemble(x), atol=1e-4)


def test_other_figures_of_the_input_change_no_output():
    ensemble = make_ensemble()
    x = torch.randn(3, 20, 6)
    before = ensemble(x)
    mean, std = torch.randn(6), torch.rand(6) + 0.5
    ensemble.restandardize(mean, std)
    assert torch.equal(ensemble.input_mean, mean) and torch.equal(ensemble.input_std, std)
    assert torch.allclose(ensemble(x), before, atol=1e-4)

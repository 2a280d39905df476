import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from convscope.errors import ConvscopeError, DataError, MissingError, UsageError
from convscope.nets import load
from convscope.nets.adapters import timm_models, torchvision_models
from convscope.nets.adapters.efficientnet_lite0 import weights_file


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Every connection is refused at once, and every cache is empty."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path


class TestNames:
    @pytest.mark.parametrize(
        ("ref", "hint"),
        [
            ("lectur", "lecture"),
            ("resnet50", "torchvision/resnet50 or timm/resnet50"),
            ("torchvision/resnet5", "resnet50"),
            ("timm/resnet_18", "resnet18"),
            ("torchvision/", "alexnet"),
            ("timm/", "in all"),
            ("zzzzzzzz", "digits, lecture"),
            ("", "digits, lecture"),
            ("torchvision/raft_large", "wrap"),
            ("torchvision/r3d_18", "films"),
            ("torchvision/quantized_resnet50", "int8"),
            ("/", "no model.json"),
        ],
    )
    def test_a_wrong_one_gets_the_nearest(self, ref, hint):
        with pytest.raises(UsageError) as caught:
            load(ref)
        assert hint in str(caught.value)

    @pytest.mark.parametrize(
        ("ref", "weights", "hint"),
        [
            ("torchvision/resnet50", "IMAGENET1K_V3", "IMAGENET1K_V2"),
            ("timm/resnet50", "a1_in1", "a1_in1k"),
            ("timm/resnet50.nope", None, "a1_in1k"),
            ("lecture", "default", "torchvision"),
            ("efficientnet_lite0", "default", "packaged"),
        ],
    )
    def test_wrong_weights_too(self, ref, weights, hint):
        with pytest.raises(UsageError) as caught:
            load(ref, weights=weights)
        assert hint in str(caught.value)

    def test_known_names_open(self):
        from convscope.nets.io.loading import list_networks

        names = list_networks()
        assert {"digits", "lenet5", "efficientnet_lite0", "torchvision/resnet50", "timm/resnet50"} <= {*names}
        assert len(names) == len(set(names)) > 1000


class TestWeights:
    def test_seed_repeats_and_leaves_the_generator_alone(self):
        torch.manual_seed(5)
        state = torch.get_rng_state()
        for ref in ("lecture", "torchvision/squeezenet1_1", "timm/test_resnet"):
            first, second, third = (load(ref, weights=None, seed=s).module.state_dict() for s in (1, 1, 2))
            assert all(torch.equal(first[k], second[k]) for k in first)
            assert any(not torch.equal(first[k], third[k]) for k in first)
        assert torch.equal(torch.get_rng_state(), state)

    def test_safetensors_by_path(self, tmp_path):
        there = load("lecture", seed=1)
        path = tmp_path / "w.safetensors"
        save_file(there.module.state_dict(), path)
        here = load("lecture", weights=path, seed=2)
        image = torch.rand(1, 1, 28, 28)
        assert torch.equal(here(image), there(image))
        assert here.source.weights == str(path)
        assert torch.equal(load("lecture", weights=str(path))(image), there(image))

    def test_weights_that_do_not_fit_are_named(self, tmp_path):
        state = load("lecture").module.state_dict()
        path = tmp_path / "w.safetensors"
        del state["conv1.bias"]
        state["conv2.weight"] = torch.zeros(50, 25, 5, 5)
        state["extra"] = torch.zeros(1)
        save_file(state, path)
        with pytest.raises(DataError) as caught:
            load("lecture", weights=path)
        for word in ("missing conv1.bias", "unknown extra", "conv2.weight (50, 25, 5, 5) for (50, 25, 3, 3)"):
            assert word in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"\xff" * 100])
    @pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
    def test_other_files_are_refused_and_never_unpickled(self, tmp_path, content, name):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError, match="safetensors"):
            load("lecture", weights=path)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(DataError, match="nothing"):
            load("lecture", weights=tmp_path / "nothing.safetensors")

    @pytest.mark.parametrize("ref", ["torchvision/squeezenet1_1", "timm/resnet18"])
    def test_offline_says_what_to_do(self, offline, capsys, ref):
        with pytest.raises(MissingError, match="Connect and try again") as caught:
            load(ref, weights="default")
        assert caught.value.exit_code == 4
        assert capsys.readouterr().out == ""

    def test_published_weights_from_the_cache(self, offline):
        """What a download leaves behind: torchvision's own network, auxiliary heads included."""
        torch.manual_seed(0)
        theirs = models.googlenet(init_weights=False, aux_logits=True, transform_input=True).eval()
        folder = offline / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        torch.save(theirs.state_dict(), folder / models.GoogLeNet_Weights.DEFAULT.url.rpartition("/")[2])
        net = load("torchvision/googlenet", weights="default")
        image = torch.rand(1, 3, 224, 224)
        prepared = (image - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
            [0.229, 0.224, 0.225]
        ).view(3, 1, 1)
        with torch.no_grad():
            assert torch.allclose(net(image), theirs(prepared), atol=1e-4)
        assert not [n for n, _ in net.module.named_parameters() if "aux" in n]
        assert sum(p.numel() for p in net.module.parameters()) == 6_624_904
        assert net.source.weights == "GoogLeNet_Weights.IMAGENET1K_V1"


class TestTorchvision:
    def test_a_poisoned_download_is_not_run(self, offline):
        class Poison:
            def __reduce__(self):
                return (exec, ("raise SystemExit('it ran')",))

        folder = offline / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        torch.save({"x": Poison()}, folder / models.SqueezeNet1_1_Weights.DEFAULT.url.rpartition("/")[2])
        with pytest.raises(MissingError):
            load("torchvision/squeezenet1_1", weights="default")

    def test_a_trained_detector_is_torchvisions_own(self, offline):
        """Frozen norms included, whose epsilon differs between generations of weights."""
        name, entry = "retinanet_resnet50_fpn", models.detection.RetinaNet_ResNet50_FPN_Weights.COCO_V1
        fresh = load(f"torchvision/{name}", weights=None, seed=0).module
        folder = offline / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        torch.save(fresh.state_dict(), folder / entry.url.rpartition("/")[2])
        net = load(f"torchvision/{name}", weights="default")
        norms = [m for m in net.module.modules() if type(m).__name__ == "FrozenBatchNorm2d"]
        assert norms and {m.eps for m in norms} == {0.0}
        assert sum(p.numel() for p in net.module.parameters()) == entry.meta["num_params"]

    @pytest.mark.parametrize("name", ["resnet18", "efficientnet_b1", "vit_b_16", "inception_v3"])
    def test_spec_prepares_like_the_librarys_transforms(self, name):
        with torch.device("meta"):
            spec = load(f"torchvision/{name}").input_spec
        transforms = models.get_model_weights(name).DEFAULT.transforms()
        assert spec.shape == (3, transforms.crop_size[0], transforms.crop_size[0])
        assert round(spec.size[0] / spec.transform.crop) == transforms.resize_size[0]
        assert spec.transform.interpolation == transforms.interpolation.value

    def test_normalises_like_the_librarys_transforms(self):
        net = load("torchvision/squeezenet1_1")
        image = torch.rand(1, 3, 224, 224)
        transforms = models.get_model_weights("squeezenet1_1").DEFAULT.transforms(resize_size=224)
        assert torch.allclose(net.normalise(image)[0], transforms(image), atol=1e-6)

    def test_labels_are_the_librarys(self):
        with torch.device("meta"):
            assert load("torchvision/resnet18").classes[:2] == ("tench", "goldfish")
            assert load("torchvision/deeplabv3_mobilenet_v3_large").classes[1] == "aeroplane"

    @pytest.mark.parametrize("name", ["ssdlite320_mobilenet_v3_large", "lraspp_mobilenet_v3_large"])
    def test_detectors_and_segmenters_answer(self, name):
        net = load(f"torchvision/{name}", seed=0)
        with torch.no_grad():
            out = net(net.example())
        assert "boxes" in out[0] if isinstance(out, list) else out["out"].shape[1] == len(net.classes)

    def test_fresh_inception_networks_are_not_slow_and_do_not_warn(self):
        for name in torchvision_models.INCEPTIONS:
            net = load(f"torchvision/{name}", seed=0)
            assert net.input_spec.mean == (0.5, 0.5, 0.5)
            assert not [n for n, _ in net.module.named_parameters() if "aux" in n.lower()]

    @pytest.mark.exhaustive
    @pytest.mark.parametrize("name", [n for n in torchvision_models.names() if "regnet" not in n])
    def test_every_model_has_its_published_number_of_parameters(self, name):
        """But for auxiliary heads, and for detectors' norms, which are frozen once trained."""
        meta = models.get_model_weights(name).DEFAULT.meta
        with torch.device("meta"):
            module = torchvision_models.build_module(name, classes=len(meta["categories"]))
        count = sum(p.numel() for p in module.parameters())
        backbone = getattr(module, "backbone", nn.Module())
        norms = sum(
            p.numel() for m in backbone.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()
        )
        auxiliary = {
            "deeplabv3_mobilenet_v3_large": 40 * 10 * 9 + 2 * 10 + 10 * 21 + 21,
            "inception_v3": 3_326_696,
        }
        resnet_auxiliary = 1024 * 256 * 9 + 2 * 256 + 256 * 21 + 21
        allowed = {count, count - norms, count + auxiliary.get(name, resnet_auxiliary)}
        assert meta["num_params"] in allowed


class TestTimm:
    def test_every_model_has_a_spec(self):
        import timm

        for name in timm_models.names():
            settings = timm.get_pretrained_cfg(name)
            if settings is not None:
                spec = timm_models._spec(settings.to_dict())
                assert spec.shape == tuple(settings.input_size)

    def test_spec_and_labels(self):
        net = load("timm/test_resnet", seed=0)
        assert net.input_spec.shape == (3, 160, 160)
        assert net.input_spec.mean == (0.5, 0.5, 0.5)
        assert len(net.classes) == 1000
        assert net.source.licence
        with torch.no_grad():
            assert net(net.example()).shape == (1, 1000)


class TestEfficientNetLite0:
    @pytest.fixture(scope="class")
    @classmethod
    def net(cls):
        return load("efficientnet_lite0")

    def test_spec_is_its_authors(self, net):
        """(x - 127) / 128 on 0..255."""
        byte = torch.tensor([0.0, 127.0, 255.0]).view(3, 1, 1, 1).expand(3, 3, 224, 224)
        prepared = net.normalise(byte / 255)[0][:, 0, 0, 0]
        assert torch.allclose(prepared, torch.tensor([-127 / 128, 0.0, 1.0]), atol=1e-6)

    def test_every_tensor_lies_under_its_own_name(self, net):
        """The file's names translated by rule, not by order."""
        theirs = torch.load(weights_file(), weights_only=True)
        ours = net.module.state_dict()
        outside = {
            "_conv_stem": "conv_stem",
            "_bn0": "bn1",
            "_conv_head": "conv_head",
            "_bn1": "bn2",
            "_fc": "classifier",
        }
        places = [(stage, block) for stage, n in enumerate((1, 2, 2, 3, 3, 4, 1)) for block in range(n)]
        first = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
        later = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"}
        later |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
        for name, tensor in theirs.items():
            head, *rest = name.split(".")
            if head in outside:
                there = ".".join([outside[head], *rest])
            else:
                block, part, last = rest
                stage, index = places[int(block)]
                there = f"blocks.{stage}.{index}.{(later if int(block) else first)[part]}.{last}"
            assert torch.equal(ours[there], tensor), name

    @pytest.mark.parametrize(
        ("photo", "words"),
        [
            ("cat.jpg", ("cat", "tabby", "Egyptian", "lynx")),
            ("dragonfly.jpg", ("dragonfly", "damselfly")),
            ("hot_dog.jpg", ("hotdog",)),
            ("parrot.jpg", ("macaw", "lorikeet", "parrot", "cockatoo", "grey")),
            ("sunflower.jpg", ("daisy", "bee", "sunflower", "lady's slipper", "pot")),
        ],
    )
    def test_it_knows_real_photographs(self, net, shared_data, photo, words):
        from PIL import Image
        from torchvision.transforms import functional

        with Image.open(shared_data / "open_photos" / photo) as opened:
            image = functional.to_tensor(opened.convert("RGB"))
        image = functional.center_crop(functional.resize(image, [256], antialias=True), [224])
        with torch.no_grad():
            best = net(image.clamp(0, 1)[None])[0].topk(3).indices
        labels = [net.classes[i] for i in best]
        assert any(word in label for label in labels for word in words), labels

    def test_missing_package_says_what_to_install(self, monkeypatch):
        monkeypatch.setattr("convscope.nets.adapters.efficientnet_lite0.find_spec", lambda name: None)
        with pytest.raises(MissingError, match="pip install"):
            load("efficientnet_lite0")


def test_every_error_is_one_of_ours():
    for ref in ("a\0b", "torchvision/../etc", "timm/.", "x" * 5000, "digits/", "timm/resnet50."):
        try:
            load(ref)
        except ConvscopeError as error:
            assert str(error)


def test_a_folder_that_is_missing_is_told_the_one_beside_it(tmp_path):
    (tmp_path / "flowers").mkdir()
    with pytest.raises(UsageError) as refused:
        load(str(tmp_path / "flower"))
    assert refused.value.hint == f"There is no such folder. Did you mean {tmp_path / 'flowers'}?"
    with pytest.raises(UsageError) as refused:
        load(str(tmp_path / "nothing" / "x"))
    assert "convscope runs lists trainings" in refused.value.hint and "Did you mean" not in refused.value.hint
    with pytest.raises(UsageError, match="torchvision/resnet18"):
        load("torchvison/resnet18")

"""The report of a training: each sentence is there where the numbers carry it, and only there."""

import re
import shlex
from dataclasses import replace

import pytest
import torch
from tests.show.browser import measured

from convscope import nets, worlds
from convscope.graph.chain import chain
from convscope.graph.spec import TensorSpec
from convscope.learn import (
    Classification,
    ClassificationRecipe,
    ClassifiedSamples,
    Epoch,
    EvalResult,
    Evaluation,
    FreezeRecord,
    ImageRows,
    LRFinderResult,
    MetricSpec,
    NumberTable,
    StepOutput,
    Task,
    TrainingSetup,
)
from convscope.show.pages import training
from convscope.show.report.figures.chart import chart
from convscope.show.report.figures.training import (
    calibration,
    cell_images,
    class_accuracy,
    confusion,
    curves,
    next_step,
    side_by_side,
)
from convscope.show.report.i18n import plain
from convscope.worlds import wilson_interval
from convscope.worlds.datasets import digits


def evaluation(pairs, classes=("a", "b", "c")):
    """Predictions from `(truth, answer)` pairs, with a probability of 0.9."""
    labels, answers = (torch.tensor(column) for column in zip(*pairs, strict=True))
    rows = torch.full((len(pairs), len(classes)), 0.1 / (len(classes) - 1))
    rows[torch.arange(len(pairs)), answers] = 0.9
    return Evaluation(tuple(classes), labels, rows, -rows[torch.arange(len(pairs)), labels].log())


def keys(found):
    return [key for key, _ in found]


def test_wilson_intervals_are_the_published_ones():
    low, high = wilson_interval(81, 263)  # Newcombe, Statistics in Medicine 17, 1998, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = wilson_interval(0, 20)
    assert (round(low, 4), round(high, 4)) == (0.0, 0.1611)
    assert wilson_interval(5, 10, together=10)[0] < wilson_interval(5, 10)[0]


def test_better_than_always_one_class_only_if_the_interval_says_so():
    many = [(0, 0)] * 60 + [(1, 1)] * 40
    assert keys(class_accuracy.against_majority(evaluation(many, "ab"))) == ["trained.accuracy.better"]
    few = [(0, 0)] * 2 + [(1, 1)]
    assert keys(class_accuracy.against_majority(evaluation(few, "ab"))) == ["trained.accuracy.unclear"]
    wrong = [(0, 1)] * 60 + [(1, 0)] * 40
    assert keys(class_accuracy.against_majority(evaluation(wrong, "ab"))) == ["trained.accuracy.worse"]


def test_one_class_is_harder_only_if_intervals_do_not_overlap():
    clear = [(0, 0)] * 50 + [(1, 1)] * 10 + [(1, 0)] * 40
    (found,) = class_accuracy.between_classes(evaluation(clear, "ab"))
    assert found[0] == "trained.accuracy.differ"
    assert found[1]["worst"] == "b" and found[1]["worst_right"] == 10 and found[1]["worst_total"] == 50
    chance = [(0, 0)] * 9 + [(0, 1)] + [(1, 1)] * 7 + [(1, 0)] * 3
    assert keys(class_accuracy.between_classes(evaluation(chance, "ab"))) == ["trained.accuracy.alike"]
    assert class_accuracy.between_classes(evaluation([(0, 0), (0, 1)], "ab")) == []  # one class is tested


def test_the_most_frequent_mistake_is_named_only_if_there_is_one():
    found = confusion.of_run(evaluation([(0, 1)] * 3 + [(1, 2)] * 2 + [(2, 2)] * 4), "")
    assert found.key == "trained.confusion"
    title = plain("trained.confusion.title", **found.values)
    assert title == "5 of 9 are wrong; the most frequent mistake is a taken for b, 3 times"
    tied = confusion.of_run(evaluation([(0, 1)] * 3 + [(1, 2)] * 3 + [(2, 2)] * 4), "")
    assert tied.key == "trained.tied"
    title = plain("trained.tied.title", **tied.values)
    assert title == "6 of 10 are wrong; 2 kinds of mistakes are the most frequent, each 3 times"
    assert "others as often" not in evaluation([(0, 1)] * 3 + [(1, 2)] * 2).worst
    assert evaluation([(0, 1)] * 3 + [(1, 2)] * 3).worst == "a taken for b (3 times, 1 other as often)"


def test_many_classes_get_a_list_of_confusions():
    names = [f"n{k}" for k in range(40)]
    pairs = [(k, (k + 1) % 40) for k in range(40)] + [(5, 9)] * 4 + [(k, k) for k in range(40)]
    body = str(confusion.of_run(evaluation(pairs, names), "").body)
    assert body.count("<tr>") == 1 + confusion.LISTED
    assert "4 of 6" in body and 'class="confusion"' not in body


def epochs(losses):
    return [
        Epoch(
            i + 1,
            len(losses),
            {"loss": 1.0, "accuracy": 0.5},
            {"loss": loss, "accuracy": 0.6},
            1.0,
            10.0,
            0.1,
            "fp32",
            "contiguous",
        )
        for i, loss in enumerate(losses)
    ]


def test_a_turn_of_the_loss_is_stated_only_where_it_turned():
    assert training.turned(epochs([0.9, 0.5, 0.7]), "loss") == [
        ("trained.turned", {"epoch": 2, "best": "0.5", "last": "0.7"})
    ]
    assert training.turned(epochs([0.9, 0.7, 0.5]), "loss") == []
    assert training.turned(epochs([0.9, 0.50001, 0.50002]), "loss") == []
    assert training.turned(epochs([0.9]), "loss") == [] and training.turned(epochs([0.5, None]), "loss") == []


def test_charts_hold_negative_values_and_gaps():
    found = str(chart({"a": [-3.0, None, 2.0], "b": [1e-4] * 3}))
    path = re.findall(r'd="(M[^"]*)" class="line-a"', found)[0]
    assert path.count("M") == 2 and path.count("L") == 0
    heights = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)", path)]
    assert heights[0] > heights[1]  # the lower value lies lower
    small = str(chart({"a": [0.004, 0.002]}, span=(0, 1)))
    assert "0.004" in small and "0.001" in small
    large = str(chart({"a": [1.6e25, 9e22]}))
    assert ">1.6e25<" in large and "000000" not in large
    assert str(chart({"a": [0.1] * 300})).count("<circle") == 0


HEADS = ({"en": "turn < 9", "zh": "旋转"}, {"en": "theta", "zh": "角度"})


def test_outlines_are_drawn_over_their_images():
    image, spec = torch.rand(1, 8, 8), digits.SPEC
    square = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.5, 1.2], [0.0, 1.0]])
    rows = ImageRows(
        HEADS, [[image, image], [image, image]], spec, HEADS[0], HEADS[1], [(square, None), (None, square)]
    )
    found = str(side_by_side.images(rows).body)
    assert found.count('points="0,0 50,0 50,120 0,100"') == 2 and found.count("<img") == 4
    plain = str(side_by_side.images(replace(rows, outlines=())).body)
    assert "polygon" not in plain and plain.count("<img") == 4


class Copying(Task):
    """Learn to return the input, and show some of it."""

    metric_specs = (MetricSpec("loss"), MetricSpec("psnr", "psnr dB", ".1f", higher_is_better=True))
    primary_metric = "psnr"

    def training_step(self, net, batch, execution, step):
        (x,) = batch.inputs
        loss = (net(x).view_as(x) - x).square().mean()
        return StepOutput(loss, loss.detach()[None] * batch.size)

    def findings(self, net, data, tested):
        inputs = data.images[:3].float() / 255
        with torch.no_grad():
            outputs = net(inputs).view_as(inputs)
        heads = ({"en": "input", "zh": "输入"}, {"en": "output", "zh": "输出"})
        title = {"en": "Digits and their copies", "zh": "数字与复制"}
        said = {"en": "Left what is given.", "zh": "左为输入。"}
        rows = ImageRows(heads, list(zip(inputs, outputs, strict=True)), data.spec, title, said)
        first = replace(rows, rows=rows.rows[:1], title={"en": "The first digit", "zh": "第一个数字"})
        numbers = [({"en": "<mean image>", "zh": "平均图像"}, ("7.25 dB", "")), (heads[1], ("8", "9 < 10"))]
        caption = {"en": "Higher is better.", "zh": "越高越好。"}
        return (rows, first, NumberTable({"en": "Ratios", "zh": "比值"}, heads, numbers, caption))


def run_of(tmp_path, task, net, done, tested, planned=3, data=None):
    data = data or digits.test().take(range(100))
    recipe = ClassificationRecipe(network="lecture-relu", epochs=planned)
    fit = data.fit_to(net.input_spec)
    setup = TrainingSetup(net, task, digits.train(), data, (), fit)
    return training.TrainedRun(recipe, setup, done, tested, tmp_path / "run")


def frozen_parts():
    """One part of each kind: thawed and moved, thawed in pieces within an epoch, and still frozen."""
    first, second, third = "a1" * 32, "b2" * 32, "c3" * 32
    return (
        FreezeRecord("layer1.0.conv1", (), "recipe", (1, 0), (2, 0), 1234, first, first, second),
        FreezeRecord(
            "blocks.*", ("blocks.5", "blocks.6:3"), "call", (2, 7), (3, 2), 70, second, second, second
        ),
        FreezeRecord("conv2:7,3", (), "recipe", (3, 0), None, 9, third, third),
    )


def test_what_was_frozen_is_shown_with_its_digests(tmp_path, classified):
    run = classified[0]
    assert 'id="trained-frozen"' not in classified[1]
    page = training.page(replace(run, frozen=frozen_parts()))
    assert "Frozen parts: 3, each bit-identical" in page
    assert "Thawed parts: 2; of these have moved since: 1." in page
    rows = re.findall(r"<tr>.*?</tr>", page[page.index('class="exact frozen"') :])[1:4]
    assert [row.count("identical") for row in rows] == [1, 1, 1]
    for row, words in zip(
        rows,
        (
            ("1,234", "from the beginning", "to epoch 2", "moved"),
            (
                "without blocks.5, blocks.6:3",
                "from epoch 2, step 7 (call)",
                "to epoch 3, step 2",
                "not moved yet",
            ),
            ("from epoch 3", "to the end", "still frozen"),
        ),
        strict=True,
    ):
        assert all(word in row for word in words)
    assert 'title="' + "a1" * 32 + '"' in rows[0]
    momentary = replace(frozen_parts()[0], ended=(1, 0))
    assert 'id="trained-frozen"' not in training.page(replace(run, frozen=(momentary,)))
    broken = replace(frozen_parts()[0], sha256_end="d4" * 32)
    page = training.page(replace(run, frozen=(broken,)))
    assert "Frozen parts: 1; 1 of them has changed" in page and "different" in page
    many = training.page(replace(run, frozen=(broken,) * 61))
    assert "The last 60 of 61 parts are shown." in many


@pytest.fixture(scope="module")
def classified(tmp_path_factory):
    """A whole report of a classifier: its run and its page."""
    net, data, task = nets.load("digits"), digits.test().take(range(300)), Classification()
    task.prepare(net, data, None)
    tested = task.evaluate(net, data, nets.ExecutionConfig("bf16"))
    run = run_of(tmp_path_factory.mktemp("r"), task, net, epochs([0.9, 0.5, 0.4]), tested, data=data)
    return run, training.page(run)


def test_the_report_of_a_classifier_has_every_part(classified):
    run, page = classified
    figures = ("curves", "accuracy", "calibration", "hardest", "filters", "settings", "use")
    assert [name for name in figures if f'id="trained-{name}"' in page] == list(figures)
    evidence = run.tested.evidence
    right = int((evidence.predictions == evidence.labels).sum())
    assert f"{right} of 300 test samples are right" in page
    for command in training._commands(run):
        assert shlex.split(command)[0] == "convscope" and "/run" in command


def test_curves_without_training_data_keep_their_style():
    found = curves.Curve("recall", {"test": [0.1, 0.2], "validation": [0.3, 0.4]})
    body = str(curves.of_run([found], {}, []).body)
    drawn = body[body.index('class="pair"') :]
    assert 'class="line-b"' in drawn and 'class="line-c"' in drawn and 'class="line-a"' not in drawn
    assert "validation data" in body and "training data" not in body


def test_bars_of_the_reliability_diagram_are_the_accuracies_of_the_bins():
    found = evaluation([(0, 0)] * 3 + [(1, 0)])
    body = str(calibration.of_run(found, "").body)
    ((top, height),) = re.findall(r'y="([\d.]+)"[^>]*height="([\d.]+)"[^>]*mark-above', body)
    whole = calibration._y(0) - calibration._y(1)
    assert float(height) == pytest.approx(0.75 * whole, abs=0.1)
    (line,) = re.findall(r'd="M[\d.]+ ([\d.]+)h[\d.]+" class="final"', body)
    assert float(line) == pytest.approx(calibration._y(0.9), abs=0.1) and float(line) < float(top)
    assert body.count("<svg") == 1 and calibration.of_run(found, "").key == "trained.calibration"
    assert calibration.of_run(found, "").values["ece"] == "15.00"


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (100, "less sure than it could be"),
        (90, "no difference that this test"),
        (50, "surer than it is right"),
    ],
)
def test_it_is_too_sure_only_if_the_interval_says_so(right, words):
    found = evaluation([(0, 0)] * right + [(1, 0)] * (100 - right))
    figure = calibration.of_run(found, "")
    body, title = str(figure.body), plain(figure.title, **figure.values)
    assert ("percentage points apart" in title) == (words != "no difference that this test")
    assert words in body and f"90.0% sure and right in {right}.0%" in body


@pytest.mark.parametrize(("right", "headline"), [(20, False), (29, False), (30, True), (45, True)])
def test_a_calibration_error_of_few_samples_is_no_headline(right, headline):
    found = evaluation([(0, 0)] * right)
    for one in (found, replace(found, temperature=1.5)):
        figure = calibration.of_run(one, "")
        title = plain(figure.title, **figure.values)
        assert ("percentage points" in title) == headline
        assert (f"{right} test samples: too few" in title) != headline


def test_a_calibrated_network_has_both_diagrams(tmp_path, classified):
    run = classified[0]
    found = replace(run.tested.evidence, temperature=1.5)
    figure = calibration.of_run(found, "")
    assert figure.key == "trained.calibrated" and str(figure.body).count("<svg") == 2
    assert figure.values["before"] == f"{100 * found.uncalibrated.ece:.2f}" != figure.values["ece"]
    page = training.page(replace(run, tested=replace(run.tested, evidence=found)))
    assert "1.5, fitted on held-out training data" in page and 'id="trained-calibrated"' in page
    assert 'id="trained-calibration"' in classified[1]


def test_the_epoch_that_is_kept_is_named_with_its_validation_data(tmp_path, classified):
    run = classified[0]
    done = [
        replace(epoch, validation_metrics={"loss": 1.0, "accuracy": value}, best=best, stopped=stopped)
        for epoch, value, best, stopped in zip(
            run.epochs[:2], (0.75, 0.5), (True, False), (False, True), strict=True
        )
    ]
    setup = replace(run.setup, validation=run.setup.test.take(range(40)))
    recipe = run.recipe.model_copy(update={"patience": 1})
    stopped = replace(run, epochs=done, setup=setup, recipe=recipe)
    page = training.page(stopped)
    assert "the network after epoch 1, the best by accuracy on the validation data (75.00%)" in page
    assert "ended after epoch 2: 1 in a row" in page and "2 of 3 epochs are finished" not in page
    assert "After epoch 1 of 3" in page and "validation data" in page and ">40<" in page
    assert not stopped.unfinished and "--resume" not in page


def test_a_stopped_training_says_so_and_how_to_go_on(tmp_path, classified):
    setup = classified[0].setup
    part = run_of(tmp_path, setup.task, setup.net, epochs([0.9]), classified[0].tested, data=setup.test)
    page = training.page(part)
    assert "1 of 3 epochs is finished" in page and "--resume" in page
    assert "stopped" not in classified[1] and "--resume" not in classified[1]
    none = training.page(run_of(tmp_path, setup.task, setup.net, [], None))
    assert "0 of 3 epochs are finished" in none and 'id="trained-curves"' not in none


def test_another_task_has_its_metrics_and_its_pictures(tmp_path):
    graph = chain("1x28x28", "flatten, dense 8, dense 784")
    net = nets.wrap(nets.build(graph, seed=0), TensorSpec((1, 28, 28)), name="copy")
    done = [
        Epoch(
            1,
            1,
            {"loss": 0.2, "psnr": -1.5},
            {"loss": 0.1, "psnr": 2.25},
            1.0,
            1.0,
            0.1,
            "fp32",
            "contiguous",
        )
    ]
    tested = EvalResult({"loss": 0.1, "psnr": 2.25})
    page = training.page(run_of(tmp_path, Copying(), net, done, tested, planned=1))
    assert "psnr dB 2.2" in page and "Digits and their copies" in page and "数字与复制" in page
    assert page.count('class="image-row"') == (1 + 3) + (1 + 1)
    table = page.partition('<figure id="trained-numbers"')[2].partition("</table>")[0]
    for cell in ("&lt;mean image&gt;", "平均图像", "<td>7.25 dB</td>", "9 &lt; 10", "Ratios", "比值"):
        assert cell in table, cell
    assert table.count("<tr>") == 1 + 2 and "Higher is better." in page and "越高越好。" in page
    assert 'id="trained-accuracy"' not in page
    listed = page.partition('<nav class="contents"')[2].partition("</nav>")[0]
    for anchor, english, chinese, caption in (
        ("trained-rows", "Digits and their copies", "数字与复制", "Left what is given."),
        ("trained-rows-2", "The first digit", "第一个数字", "Left what is given."),
        ("trained-numbers", "Ratios", "比值", "Higher is better."),
    ):
        title = f'<span lang="en">{english}</span><span lang="zh">{chinese}</span>'
        figure = page.partition(f'<figure id="{anchor}"')[2].partition("</figure>")[0]
        assert f"<h3>{title}</h3>" in figure and caption in figure.partition("<figcaption>")[2], anchor
        assert f'<a href="#{anchor}">{title}</a>' in listed, anchor


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_it_fits_phone_and_desk_and_fetches_nothing(classified, tmp_path, width, scheme):
    found = measured(classified[1], tmp_path, width, scheme)
    assert found["overflow"] <= 0, found["culprits"]
    assert found["errors"] == [] and found["requests"] == []
    assert found["language"] == "zh" and found["hidden"]


def test_findings_are_of_images_only(classified):
    run = classified[0]
    (found,) = run.setup.task.findings(run.setup.net, run.setup.test, run.tested)
    assert isinstance(found, ClassifiedSamples)
    assert run.setup.task.findings(run.setup.net, object(), run.tested) == ()


def test_the_learning_rate_is_that_of_the_schedule(classified):
    from convscope.learn import lr_factor

    run = classified[0]
    curve = training._rates(run)
    weights = sum(weight.numel() for weight in run.setup.net.module.parameters())
    assert curve.span == (0, 3)
    assert max(curve.series["train"]) == pytest.approx(run.recipe.max_lr(weights), rel=0.02)
    assert curve.series["train"][0] == pytest.approx(
        run.recipe.max_lr(weights) * lr_factor(run.recipe, 0, 600)
    )


def test_the_curve_of_the_learning_rate_has_the_phases_of_a_probe(tmp_path):
    recipe = ClassificationRecipe(epochs=4, probe_epochs=2, lr=0.5, probe_lr=0.25, schedule="constant")
    task = Classification.from_recipe(recipe)
    run = run_of(tmp_path, task, nets.load("digits"), epochs([0.9, 0.5, 0.4, 0.3]), None)
    curve = training._rates(replace(run, recipe=recipe))
    (values,) = curve.series.values()
    assert set(values[: len(values) // 2]) == {0.25} and set(values[len(values) // 2 :]) == {0.5}


def history(learned):
    (one,) = epochs([0.4])
    return replace(one, metrics={**one.metrics, "accuracy": learned})


MANY = [(0, 0)] * 460 + [(1, 1)] * 455 + [(0, 1)] * 40 + [(1, 0)] * 45


@pytest.mark.parametrize(
    ("pairs", "learned", "duplicates", "wanted"),
    [
        (MANY, 0.93, 3, "duplicates"),
        ([(0, 0)] * 300 + [(1, 1)] * 300 + [(0, 1)] * 200 + [(1, 0)] * 200, 0.5, 0, "unlearned"),
        (MANY, 0.85, 0, "none"),  # augmented training data may be harder than the test
        (MANY, 0.96, 0, "gap"),
        ([(0, 0)] * 9 + [(1, 1)] * 8 + [(0, 1)], 0.95, 0, "small"),
        ([(0, 0)] * 500 + [(1, 1)] * 400 + [(1, 0)] * 100, 0.95, 0, "class"),
        (MANY, 1.0, 0, "gap"),
        (MANY, 0.93, 0, "none"),
        (MANY, None, 0, "none"),
    ],
)
def test_the_advice_follows_from_the_numbers(pairs, learned, duplicates, wanted):
    key, values = next_step.most_useful(history(learned), evaluation(pairs, "ab"), duplicates)
    assert key == wanted
    for language in ("en", "zh"):
        assert "{" not in plain(f"trained.advice.{key}", language, **values)
    if wanted == "small":
        low, high = wilson_interval(round(17 / 18 * 1000), 1000)
        assert high - low < 0.1 and int(values["needed"]) > 18
    if wanted == "class":
        assert values["name"] == "b" and values["taken"] == "a" and values["right"] == 400


@pytest.mark.parametrize("settings", [{"lr": 999.0}, {}])
def test_a_training_that_diverged_is_not_told_to_go_on_faster(tmp_path, settings):
    net, task = nets.load("digits"), Classification()
    data = digits.test().take(range(100))
    tested = task.evaluate(task.prepare(net, data, None), data, nets.ExecutionConfig())
    (epoch,) = epochs([1.6e25])
    epoch = replace(epoch, metrics={"loss": 9.85e22, "accuracy": 0.1})
    run = run_of(tmp_path, task, net, [epoch], tested, planned=1)
    run = replace(run, recipe=run.recipe.model_copy(update={"schedule": "constant", **settings}))
    page = training.page(run)
    assert page.count("The training diverged: its loss is 9.85e+22 after epoch 1, and guessing has 2.3") == 2
    assert page.count("lower --lr (or --find-lr)") == 2 and page.count("训练发散") == 2
    assert "higher learning rate" not in page and "--resume" not in page
    advice = page.split('id="trained-advice"')[1].split("</pre>")[0]
    assert "--find-lr" in advice and "--lr 999" not in advice and "--epochs 1" in advice
    assert "0000000000" not in re.sub(r"base64,[^\"']*", "", page)
    calm = training.page(replace(run, epochs=epochs([0.4])))
    assert "The training diverged" not in calm and "--resume" in calm


@pytest.mark.parametrize(("held", "best", "wanted"), [(5, 2, "few"), (5, 3, "none"), (40, 2, "none")])
def test_an_epoch_that_few_samples_chose_comes_before_other_advice(tmp_path, held, best, wanted):
    """Unless it is the last one, which would have been kept anyway."""
    net, task = nets.load("digits"), Classification()
    data, whole = digits.test().take(range(100)), digits.train().take(range(300))
    tested = task.evaluate(task.prepare(net, data, None), data, nets.ExecutionConfig())
    measured = {"accuracy": 0.4, "loss": 1.2345}
    done = [
        replace(epoch, best=epoch.index <= best, validation_metrics=measured)
        for epoch in epochs([0.4, 0.3, 0.2])
    ]
    run = run_of(tmp_path, task, net, done, tested)
    held_out = whole.take(range(held))
    setup = replace(run.setup, train=whole.take(range(held, 300)), validation=held_out)
    run = replace(run, setup=setup, recipe=run.recipe.model_copy(update={"patience": 2}))
    page = training.page(run)
    advice = page.split('id="trained-advice"')[1].split("</figure>")[0]
    assert ("5 validation samples, each worth 20 percentage points" in advice) == (wanted == "few")
    assert ("5 个验证样本决定，每个样本相当于 20 个百分点" in advice) == (wanted == "few")
    assert ("--validation-split 0.1" in advice and "--patience 2" in advice) == (wanted == "few")
    assert ("validation samples, each worth" in page.replace(advice, "")) == (held == 5)
    assert "the lowest validation loss decides (1.2345)" in page and "取验证损失最低的（1.2345）" in page
    alone = training.page(replace(run, epochs=[done[0]]))
    assert "the lowest validation loss decides" not in alone


def test_after_a_probe_the_finder_is_proposed_for_both_rates():
    recipe = ClassificationRecipe.model_validate(
        {"from_": "efficientnet_lite0", "data": "digits", "epochs": 2, "lr": 900}
    )
    again = training._retrained(recipe)
    assert again.startswith("convscope train") and "--lr" not in again and "--find-lr" in again
    probed = training._retrained(recipe.model_copy(update={"probe_lr": 900.0}))
    assert "--probe-lr" not in probed and "--find-lr" in probed


def test_the_rates_of_the_finder_are_said_with_their_curves(tmp_path):
    curve = torch.linspace(0.1, 1, 20)
    found = [
        LRFinderResult(curve, curve, curve, 0.02, steepest, False, rate=rate)
        for steepest, rate in ((0.31, "probe_lr"), (0.0042, "lr"), (None, "lr"))
    ]
    run = run_of(tmp_path, Classification(), nets.load("digits"), epochs([0.4]), None)
    page = training.page(replace(run, lr_finders=found))
    for text in ("suggested 0.31 (<code>--probe-lr</code>) for the linear probe", "lr_finder_probe.png"):
        assert text in page
    for text in ("suggested 0.0042 (<code>--lr</code>) before", "0.31（<code>--probe-lr</code>）"):
        assert text in page
    assert page.count("finder suggested") == 2 and "finder suggested" not in training.page(run)


def test_every_cell_of_the_confusion_opens_its_own_pictures(classified):
    run, page = classified
    found = run.setup.task.findings(run.setup.net, run.setup.test, run.tested)[0].evaluation
    chosen = cell_images.choose(found)
    counts = found.confusion
    assert set(chosen) == {tuple(cell) for cell in counts.nonzero().tolist()}
    for (truth, answer), indices in chosen.items():
        assert all(int(found.labels[k]) == truth and int(found.predictions[k]) == answer for k in indices)
        assert len(set(indices)) == len(indices) <= int(counts[truth, answer])
        anchor = cell_images.anchor((truth, answer))
        assert page.count(f'href="#{anchor}"') == 1 and page.count(f'id="{anchor}"') == 1


def test_many_pictures_are_bounded_and_mistakes_come_first():
    pairs = [(k % 10, k % 10) for k in range(4000)] + [(k % 10, (k + 1) % 10) for k in range(2000)]
    chosen = cell_images.choose(evaluation(pairs, "abcdefghij"))
    assert sum(map(len, chosen.values())) <= cell_images.ALL
    assert sum(len(k) for (truth, answer), k in chosen.items() if truth != answer) == 240
    pairs = [(k % 16, (k + shift) % 16) for shift in (0, 1, 2) for k in range(960)]
    chosen = cell_images.choose(evaluation(pairs, "abcdefghijklmnop"))
    assert all(truth != answer for truth, answer in chosen) and sum(map(len, chosen.values())) == 360


def test_wrong_answers_of_photographs_are_attributed_and_copies_shown(tmp_path):
    net = nets.load("efficientnet_lite0")
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 255, (4, 3, 7, 7), generator=generator).float()
    pixels = torch.nn.functional.interpolate(coarse, (224, 224), mode="bilinear").to(torch.uint8)
    data = worlds.ImageTensorDataset(pixels, torch.tensor([0, 1, 0, 1]), ("ant", "bee"), net.input_spec)
    net = nets.replace_head(net, ("names", "of its own"), seed=0)  # those of the data are the trained ones'
    task = Classification()
    named = task.prepare(net, data, None)
    run = run_of(
        tmp_path, task, net, epochs([0.5]), task.evaluate(named, data, nets.ExecutionConfig()), data=data
    )
    page = training.page(replace(run, setup=replace(run.setup, train=data)))
    wrong = sum(int(p != t) for p, t in zip(run.tested.evidence.predictions, data.labels, strict=True))
    assert wrong and page.count(' alt="the same picture with the Grad-CAM map of') == wrong
    assert "All 4 test pictures are nearly the same as one that was learned from" in page
    assert "Take the 4 near-duplicates out" in page

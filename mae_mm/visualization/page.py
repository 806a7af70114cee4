"""A page in the browser, by Gradio: where things stand and what calls what. What is shown comes from a ``Page``."""
import html
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..errors import InputError
from .reconstruction import STATISTICS

KINDS = ('random', 'block', 'grid', 'painted')
ONE = dict(concurrency_id='model', concurrency_limit=1, show_progress='minimal')  # image at a time
STYLE = ('.gradio-container {max-width: 1400px !important} .legend td {padding: 2px 8px} '
         '.checkpoint {font-weight: 600; overflow-wrap: anywhere} .checkpoint .html-container {padding: 0 !important}')
TITLE = '## What a masked autoencoder makes of an image'
KEPT = 600, 3600  # seconds: how often what was dropped is removed, and how old it is then
WAITING = 32  # requests; more are told to come back


def gradio() -> Any:
    """The module; ``ValueError`` with how to install it if it is not there."""
    os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')
    try:
        import gradio as module
    except ImportError:
        raise InputError("the page needs Gradio; install it with: pip install 'gradio>=6'") from None
    return module


def serve(page: Any, examples: Sequence[str], port: int, largest: str) -> Any:
    """Serve the page on 127.0.0.1, in other threads; what is returned has ``block_thread()`` and ``close()``.

    Args:
        page: a :class:`mae_mm.apis.page.Page`.
        examples: paths of images to choose from.
        largest: size of a file that is dropped.

    Raises:
        ValueError: the port is taken, or none.
    """
    gr = gradio()
    system = ['system-ui', 'sans-serif']  # nothing is fetched from elsewhere
    blocks = blocks_of(page, examples).queue(max_size=WAITING)
    try:
        blocks.launch(server_name='127.0.0.1', server_port=port, share=False, ssr_mode=False, quiet=True, css=STYLE,
                      theme=gr.themes.Default(font=system, font_mono=['monospace']), footer_links=[],
                      max_file_size=largest, allowed_paths=list(examples), prevent_thread_lock=True)
    except (OSError, OverflowError):
        raise InputError(f'--port {port} is taken, or is not a port; choose another one') from None
    return blocks


def blocks_of(page: Any, examples: Sequence[str]) -> Any:
    """The page as Gradio's blocks."""
    gr = gradio()
    names = list(page.models)
    with gr.Blocks(title='mae_mm', analytics_enabled=False, delete_cache=KEPT) as blocks:
        gr.Markdown(TITLE)
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                models = [gr.Dropdown(names, value=names[0], label='Checkpoint', interactive=True)]
                if len(names) > 1:
                    others = [('none', ''), *names]
                    models.append(gr.Dropdown(others, value='', label='Compare with', interactive=True))
                image = gr.File(label='Image: drop it here', type='filepath', height=130)
                if examples:
                    gr.Examples([[path] for path in examples], image, label='Examples')
                section = Section(gr, page, image, models, [])
                _views(section)
            with gr.Column(scale=2, min_width=300), gr.Tabs():
                _reconstruction(section)
                _segmentation(section)
                _features(section)
    return blocks


def _picture(gr: Any, title: str, buttons: Sequence[str] = ('download', ), **options: Any) -> Any:
    """A picture with its title above, where it hides nothing of it."""
    gr.Markdown(title)
    return gr.Image(label=title, show_label=False, interactive=False, buttons=list(buttons), **options)


class Section(NamedTuple):
    """What each part of the page is made with.

    ``models`` are the choices of a checkpoint, the second for one to compare with; ``views`` are what these see of the
    image, which are there if both fit. Sliders and clicks go by the first ones.
    """
    gr: Any
    page: Any
    image: Any
    models: list[Any]
    views: list[Any]

    @property
    def first(self) -> str:
        return next(iter(self.page.models))

    def told(self, function: Callable, outputs: int = 1) -> Callable:
        """A function whose errors are shown in the page; without a checkpoint, image and view it shows nothing."""
        gr = self.gr

        def call(name: str, path: str | None, view: Any, *rest: Any) -> tuple:
            nothing = [None] * outputs
            if not name or not path or not view:
                return *nothing, gr.update(visible=False)
            try:
                with self.page.limited():
                    results = function(name, path, *rest)
            except InputError as error:
                text = str(error).replace(path, os.path.basename(path))
                return *nothing, gr.update(value=text, visible=True)
            return *(results if outputs > 1 else [results]), gr.update(visible=False)

        return call

    @contextmanager
    def place(self, i: int) -> Iterator[Any]:
        """Of what is shown of a checkpoint, whose name is above if there are two; yields the place of messages."""
        gr = self.gr

        def named(*names: str) -> tuple:
            return gr.update(visible=bool(names[i])), gr.update(value=html.escape(names[i]), visible=all(names))

        with gr.Column(min_width=200, visible=i == 0) as column:
            title = gr.HTML(visible=False, elem_classes='checkpoint')
            yield gr.Textbox(label='Message', visible=False, interactive=False, elem_classes='message')
        if len(self.models) > 1:
            gr.on([model.change for model in self.models], named, self.models, [column, title], show_progress='hidden',
                  api_visibility='private')

    def run(self, function: Callable, asked: Sequence[Any], inputs: Sequence[Any], draw: Callable[[], list]) -> None:
        """Have a function called for each checkpoint when these, a view, or what is ``asked`` changes.

        Args:
            draw: makes what the results are shown in.
        """
        for i, (model, view) in enumerate(zip(self.models, self.views, strict=True)):
            with self.place(i) as message:
                outputs = draw()
            changes = [chosen.change for chosen in self.models[:i + 1]]
            self.gr.on([view.change, *changes, *asked], self.told(function, len(outputs)),
                       [model, self.image, view, *inputs], [*outputs, message], trigger_mode='always_last',
                       api_name=function.__name__, **ONE)


def _views(section: Section) -> None:
    gr = section.gr
    for i, model in enumerate(section.models):
        with section.place(i) as message:
            view = _picture(gr, 'What the model sees', buttons=[], type='filepath', elem_id=f'view{i or ""}')
        section.views.append(view)
        gr.on([section.image.change, model.change], section.told(section.page.view),
              [model, section.image, section.image], [view, message], **ONE)


def _reconstruction(section: Section) -> None:
    gr, page, model, view = section.gr, section.page, section.models[0], section.views[0]

    def pictures() -> list:
        with gr.Row():
            shown = []
            for title in ('Visible', 'Reconstruction', 'With visible patches'):
                with gr.Column(min_width=200):
                    shown.append(_picture(gr, title))
        return shown

    def reconstruct(name: str, path: str, kind: str, ratio: float, seed: float, statistics: str, painted: Any,
                    like: str) -> Any:
        layers = (painted or {}).get('layers') or [None]
        return page.reconstruction(name, path, kind, ratio, seed, statistics, layers[0], like)

    with gr.Tab('Reconstruct'):
        with gr.Row():
            kind = gr.Radio(KINDS, value='random', label='Hidden patches')
            statistics = gr.Radio(STATISTICS, value='visible', label='Mean and deviation of hidden patches',
                                  info='true: their own, which nothing predicted')
        with gr.Row():
            ratio = gr.Slider(.05, .95, value=page.mask_ratio(section.first), step=.05, label='Hidden share')
            seed = gr.Number(0, precision=0, label='Seed')
        with gr.Column(visible=False) as painting:
            gr.Markdown('Paint what is to be hidden')
            editor = gr.ImageEditor(show_label=False, type='numpy', sources=(), transforms=(), elem_id='editor',
                                    layers=gr.LayerOptions(allow_additional_layers=False),
                                    brush=gr.Brush(24, ['#ffffff'], color_mode='fixed'))
        section.run(reconstruct, [kind.change, ratio.change, seed.change, statistics.change, editor.input],
                    [kind, ratio, seed, statistics, editor, model], pictures)
    kind.change(lambda kind: (gr.update(visible=kind == KINDS[-1]), gr.update(interactive=kind != KINDS[-1])),
                kind, [painting, ratio], show_progress='hidden')
    view.change(lambda picture: picture, view, editor, show_progress='hidden')
    model.change(page.mask_ratio, model, ratio, show_progress='hidden')


def _segmentation(section: Section) -> None:
    gr, page = section.gr, section.page

    def segment(name: str, path: str, opacity: float) -> Any:
        painted, rows = page.segmentation(name, path, opacity)
        cells = ''.join(f'<tr><td style="background:{colour};width:2em"></td><td>{html.escape(label)}</td>'
                        f'<td style="text-align:right">{share:.1f} %</td></tr>' for label, colour, share in rows)
        return painted, f'<table class="legend">{cells}</table>'

    with gr.Tab('Segment'):
        opacity = gr.Slider(0, 1, value=.5, step=.05, label='Opacity of the classes')
        with gr.Row():
            section.run(segment, [opacity.release], [opacity], lambda: [_picture(gr, 'Classes'), gr.HTML()])


def _features(section: Section) -> None:
    gr, page, model, view = section.gr, section.page, section.models[0], section.views[0]
    last = {name: page.num_layers(name) - 1 for name in page.models}
    with gr.Tab('Features'):
        layer = gr.Slider(0, max(last.values()), value=last[section.first], step=1, label='Layer')
        gr.Markdown('Click on what the model sees: what that patch attends to. Before that, it is the class token.')
        place = gr.State(None)
        with gr.Row():
            with gr.Column(min_width=200):
                section.run(page.features, [layer.change], [layer],
                            lambda: [_picture(gr, 'Principal components of the features')])
            with gr.Column(min_width=200):
                section.run(page.attention, [layer.change, place.change], [layer, place, model],
                            lambda: [_picture(gr, 'Attention')])

    def select(event: Any) -> Any:
        return tuple(event.index)

    select.__annotations__['event'] = gr.SelectData  # by which Gradio knows what to give
    view.select(select, None, place, show_progress='hidden')
    view.change(lambda: None, None, place, show_progress='hidden')
    model.change(lambda name: last[name], model, layer, show_progress='hidden')

/**
 * What the server takes and answers, generated from openapi.json: do not edit, run `make types`.
 */
export interface paths {
    "/api/v1/datasets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what can be trained on, by world. */
        get: operations["datasets_api_v1_datasets_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/go/analysis": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Return what a search has found so far; it stops by itself, and what it found stays. */
        post: operations["analysis_api_v1_go_analysis_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/go/load": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Read a game record. */
        post: operations["load_api_v1_go_load_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/go/reply": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Return the network's move; ask again until it is `done`. */
        post: operations["reply_api_v1_go_reply_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/go/save": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Return the game as SGF. */
        post: operations["save_api_v1_go_save_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/go/score": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Return the area score, and the stones that random games call dead. */
        post: operations["score_api_v1_go_score_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/go/state": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Return a position: stones, legal points, hints if they are requested. */
        post: operations["state_api_v1_go_state_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/graph": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Return layers, costs and errors of a network that is given as text. */
        post: operations["graph_api_v1_graph_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/graph/kinds": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return the kinds of layers that stand in a chain, each with its syntax. */
        get: operations["kinds_api_v1_graph_kinds_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return jobs without their documents, the newest first. */
        get: operations["list_jobs_api_v1_jobs_get"];
        put?: never;
        /** Add a job to the queue; its settings are checked as the terminal checks them. */
        post: operations["create_job_api_v1_jobs_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return a job with its document. */
        get: operations["get_job_api_v1_jobs__id__get"];
        put?: never;
        post?: never;
        /** Remove a job that has ended, with its result in the lab's own folder; a training's run stays. */
        delete: operations["remove_job_api_v1_jobs__id__delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/ablation": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Test the last saved network of a training without a unit; the training itself is not touched. */
        get: operations["get_ablation_api_v1_jobs__id__ablation_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/artifacts/{index}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return a file of a job: pictures encoded anew, pages in a sandbox, other files as a download. */
        get: operations["get_artifact_api_v1_jobs__id__artifacts__index__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask a job to end; what it has made stays. */
        post: operations["cancel_job_api_v1_jobs__id__cancel_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/control": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask a running training for something; an event tells whether it was done. */
        post: operations["control_job_api_v1_jobs__id__control_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/embedding/inputs/{index}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make an upload of one input, so that other pages and jobs can open it. */
        post: operations["upload_input_api_v1_jobs__id__embedding_inputs__index__post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/embedding/inputs/{index}.{format}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return one input as the network sees it. */
        get: operations["get_input_api_v1_jobs__id__embedding_inputs__index___format__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/embedding/points": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return what is known of each input, as safetensors: places by layout, labels, predictions. */
        get: operations["get_points_api_v1_jobs__id__embedding_points_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/embedding/thumbnails/{side}/{number}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return a sheet of thumbnails, as the job has encoded it. */
        get: operations["get_thumbnails_api_v1_jobs__id__embedding_thumbnails__side___number__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/embedding/units/{unit}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return the activations of one unit for all inputs. */
        get: operations["get_unit_api_v1_jobs__id__embedding_units__unit__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Stream the events of a job, from the first or after one; ends when the job has ended. */
        get: operations["stream_events_api_v1_jobs__id__events_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{id}/samples/{index}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return the picture of a test sample of a training, as the live worker draws it, or its sound. */
        get: operations["get_test_sample_api_v1_jobs__id__samples__index__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/clear": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Remove all jobs that have ended, with their results in the lab's own folder. */
        post: operations["clear_jobs_api_v1_jobs_clear_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/networks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List this package's networks and the trainings. */
        get: operations["networks_api_v1_networks_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/networks/{net}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return the specification and the layers of a network. */
        get: operations["network_api_v1_networks__net__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/networks/{net}/classify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return programs that classify a file with this network. */
        get: operations["examples_api_v1_networks__net__classify_get"];
        put?: never;
        /** Classify a file: the body is its bytes, a picture, a sound or a text, as the network takes them. */
        post: operations["classify_api_v1_networks__net__classify_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/networks/{net}/layers/{layer}/region": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Return the units of a layer that respond most to a part of an upload; ask again until `indexed` is 1. */
        post: operations["region_api_v1_networks__net__layers__layer__region_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/networks/{net}/layers/{layer}/units": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return the units of a layer, each with its strongest real input; ask again until `indexed` is 1. */
        get: operations["layer_units_api_v1_networks__net__layers__layer__units_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/networks/{net}/layers/{layer}/units/{unit}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return the card of a unit; its strongest real inputs come as soon as they are found. */
        get: operations["unit_api_v1_networks__net__layers__layer__units__unit__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/networks/{net}/layers/{layer}/units/{unit}/visualization.{format}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return the activation maximisation of a unit so far: ask again until `X-Fraction` is 1. */
        get: operations["visualization_api_v1_networks__net__layers__layer__units__unit__visualization__format__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/networks/{net}/samples/{index}.{format}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return an input of the data that ships, as the network sees it. */
        get: operations["sample_api_v1_networks__net__samples__index___format__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/networks/{net}/uploads/{upload}.{format}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return an uploaded file as the network sees it. */
        get: operations["upload_as_input_api_v1_networks__net__uploads__upload___format__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return the version, and the state of the workers: `starting`, `ready` or `stopped`. */
        get: operations["status_api_v1_status_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploaded-sets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Note a folder whose files were uploaded; it can then be corrected, and named by jobs. */
        post: operations["add_api_v1_uploaded_sets_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploaded-sets/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return a folder as it is corrected. */
        get: operations["about_api_v1_uploaded_sets__id__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploaded-sets/{id}/corrections": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Move a file to another class, or remove it from the data; the upload stays as it is. */
        post: operations["correct_api_v1_uploaded_sets__id__corrections_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploaded-sets/{id}/corrections.py": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return a Python program that makes the same corrections in the user's own folder. */
        get: operations["program_api_v1_uploaded_sets__id__corrections_py_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploaded-sets/{id}/corrections/{number}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Take a correction back. */
        delete: operations["undo_api_v1_uploaded_sets__id__corrections__number__delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploads": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Hand a file over: the body is its bytes. It is looked at only when something is made of it. */
        put: operations["upload_api_v1_uploads_put"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploads/{number}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return what is known of an upload. */
        get: operations["get_upload_api_v1_uploads__number__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploads/{number}/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return a small picture of an upload, decoded and encoded anew by the worker. */
        get: operations["preview_api_v1_uploads__number__preview_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/verbs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List what can be done as a job. */
        get: operations["verbs_api_v1_verbs_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/verbs/{verb}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Return the settings of a verb. Those of a training depend on its task, and have a recipe's values. */
        get: operations["verb_api_v1_verbs__verb__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description What a saved network answers with one unit switched off, beside its answers as it is. */
        Ablation: {
            ablated: number;
            accuracy: number;
            /** @description The share of the answers that are others. */
            changed: number;
            hurt: components["schemas"]["HurtClass"] | null;
            samples: number;
            unit: string;
        };
        /** @description How many positions are searched until the analysis stops. */
        Analysis: {
            game?: components["schemas"]["Game"];
            net?: string | null;
            /** @default 400 */
            visits?: number;
        };
        AnyMessage: components["schemas"]["Watch"] | components["schemas"]["Input"] | components["schemas"]["Steer"] | components["schemas"]["Inspect"] | components["schemas"]["WordAttributions"] | components["schemas"]["Follow"] | components["schemas"]["Unfollow"];
        /** @description A file that a job has made. */
        Artifact: {
            bytes: number;
            index: number;
            /** @enum {string} */
            kind: "image" | "page" | "table" | "sound" | "file";
            title: string;
            /** @description Changes with the content. */
            version: number;
        };
        /** @description A file of a job is new, or has changed. */
        ArtifactEvent: {
            bytes: number;
            /** @constant */
            event: "artifact";
            id: string;
            index: number;
            /** @enum {string} */
            kind: "image" | "page" | "table" | "sound" | "file";
            seq: number;
            stream: number;
            title: string;
            /** @constant */
            type: "job";
            version: number;
        };
        /** @description A word or a character, and what it adds to an answer. */
        AttributedPiece: {
            first: number;
            gap: string;
            last: number;
            text: string;
            value: number;
        };
        /** @description What each word of a sentence adds to the score of a class. */
        AttributedWords: {
            pieces: components["schemas"]["AttributedPiece"][];
            probability: number;
            seq: number;
            /** @description Name of the class. */
            target: string;
            /** @constant */
            type: "word_attributions";
        };
        /** @description A file that cannot be used. */
        BadFile: {
            kind: string;
            path: string;
            reason: string;
        };
        /** @description Other weights of a training. */
        Checkpoint: {
            /** @enum {string} */
            checkpoint: "last" | "ema" | "best" | "previous";
            /** @description Finished epochs, and steps of the one after them. */
            epoch: number;
            /** @description Of the network with these weights: `run:mine@best`. */
            name: string;
            step: number;
        };
        /** @description What a network answers to a file. */
        Classified: {
            milliseconds: number;
            net: string;
            /** @description How much of a photograph the network sees, where edges are cropped away; else empty. */
            said: string[];
            said_zh: string[];
            top: components["schemas"]["ClassProbability"][];
        };
        /** @description What a network answers to a file, or why it cannot be read. */
        ClassifiedFile: {
            /** @description How many times, where the picture is much smaller than the network's input. */
            enlarged?: number;
            /** @description What is wrong, in one short sentence. */
            error?: string;
            /** @description What to do about it. */
            hint?: string;
            image: string;
            notes?: string[];
            top?: components["schemas"]["ClassProbability"][];
        };
        /** @description The document of `classify`. */
        ClassifyDocument: {
            answers: components["schemas"]["ClassifiedFile"][];
            net: string;
            note?: string;
            out?: string;
            recipe: {
                [key: string]: unknown;
            };
            /** @description How much of the photographs the network sees, where edges are cropped away; else empty. */
            said: string[];
            said_zh: string[];
            verb: string;
        };
        /** @description One of the most probable classes. */
        ClassProbability: {
            label: string;
            probability: number | null;
            unit: number;
        };
        /** @description A network that is compared with the one that is watched, and its layers. */
        Compared: {
            /** @default null */
            layers?: string[] | null;
            net: string;
        };
        /** @description What is waited for; ask again later. */
        Compiling: {
            compiling: string;
        };
        /** @description What a running training is asked for. */
        ControlRequest: {
            /** @enum {string} */
            action: "pause" | "resume" | "lr" | "freeze" | "thaw";
            value?: number | string | string[] | null;
        };
        /** @description A folder that was handed over, as it is corrected. */
        CorrectedSet: {
            classes: {
                [key: string]: number;
            };
            corrections: components["schemas"]["Correction"][];
            /** @description Files that count. */
            count: number;
            id: string;
            /** @description Number of entries: corrections, and those that took one back. */
            version: number;
        };
        /** @description A file of a folder that was moved to another class, or removed. */
        Correction: {
            /** @enum {string} */
            action: "move" | "remove";
            /** @description Where it lay in the training that is looked at; null where it was not in its data. */
            file: string | null;
            /** @description The file, as the user named it. */
            name: string;
            number: number;
            to: string;
            undone: boolean;
        };
        /** @description What to do with a file of a training's data. */
        CorrectionRequest: {
            /** @enum {string} */
            action: "move" | "remove";
            file: string;
            /** @default  */
            to?: string;
            version?: number | null;
        };
        /** @description The document of `data check`. */
        DataCheckDocument: {
            out?: string;
            recipe: {
                [key: string]: unknown;
            };
            report: components["schemas"]["DatasetReport"];
            verb: string;
        };
        /** @description A part of the data. */
        DataPart: {
            count: number;
            name: string;
        };
        /** @description A set by name. */
        DataSet: {
            name: string;
            /** @description Whether its files are published elsewhere, rather than in the package. */
            published: boolean;
            /** @description Whether they are there. */
            ready: boolean;
            /** @description The folder in which the files of a published set lie; empty for none. */
            root: string;
        };
        /** @description What is wrong in data: `worlds.DatasetReport`. */
        DatasetReport: {
            duplicates: components["schemas"]["Duplicate"][];
            empty_classes: string[];
            faults: string[];
            folder: string;
            formats: {
                [key: string]: number;
            };
            hidden: number;
            /** @description Number of bad files by kind. */
            kinds: {
                [key: string]: number;
            };
            modes: {
                [key: string]: number;
            };
            ok: boolean;
            /** @description Number of readable things by split and class. */
            pictures: {
                [key: string]: {
                    [key: string]: number;
                };
            };
            problems: components["schemas"]["BadFile"][];
            remarks: string[];
            sizes: {
                [key: string]: number;
            };
            stray: string[];
            thing: string;
            things: string;
            total: number;
        };
        /** @description How inputs and maps are drawn. */
        Display: {
            ink: boolean;
            rows_upwards: boolean;
            timeline: boolean;
        };
        /** @description The document of a job has changed. */
        DocumentEvent: {
            /** @constant */
            event: "document";
            id: string;
            seq: number;
            stream: number;
            /** @constant */
            type: "job";
        };
        /** @description Files of the same content. */
        Duplicate: {
            across_classes: boolean;
            across_splits: boolean;
            paths: string[];
        };
        /** @description What passes from one layer to another. */
        Edge: {
            from: string;
            shape: number[];
            to: string;
        };
        /** @description A class of the data. */
        EmbeddedClass: {
            count: number;
            name: string;
            /** @description How many are classified rightly; null where the network does not know the class. */
            right: number | null;
        };
        /** @description What all have in common that were embedded; its other fields are those of every document. */
        Embedding: {
            classes: components["schemas"]["EmbeddedClass"][];
            data: string;
            grid: [
                number,
                number
            ];
            inputs: number;
            layouts: string[];
            net: string;
            parts: components["schemas"]["DataPart"][];
            place: string;
            predicted: string[];
            spread: number;
            thumbnails: components["schemas"]["Thumbnails"];
            units: number;
            world: string;
        };
        /** @description The document of `explain`. */
        ExplainDocument: {
            explanations: components["schemas"]["Explanation"][];
            image: string;
            net: string;
            out?: string;
            recipe: {
                [key: string]: unknown;
            };
            /** @description Sentences that summarise the result. */
            said: string[];
            said_zh: string[];
            verb: string;
            verdicts: components["schemas"]["MethodVerdict"][];
        };
        /** @description The attribution of one target by one method. */
        Explanation: {
            checks: components["schemas"]["Faithfulness"];
            /** @description Finished share of the method. */
            done: number;
            heat?: components["schemas"]["SpectrogramHeat"];
            /** @description For class activation maps; else empty. */
            layer: string;
            method: string;
            /** @description Name of the file. */
            picture: string;
            /** @description The target's; null where not all targets are classes. */
            probability: number | null;
            seconds: number;
            settings: {
                [key: string]: unknown;
            };
            target: string;
            /** @description The target's value. */
            value: number;
            words?: [
                string,
                number
            ][];
            /** @description With respect to what: `input`, or the layer whose output is attributed. */
            wrt: string;
        };
        /** @description Metrics of a heatmap: `see.Explanation.faithfulness`; those that do not apply are left out. */
        Faithfulness: {
            area_inside?: number;
            baseline?: string;
            completeness_gap?: number;
            deletion?: number;
            /** @description Mean of random heatmaps. */
            deletion_chance?: number;
            deletion_curve?: number[];
            difference?: number;
            drop?: number;
            /** @description Whether little of the heatmap is left with random weights. */
            fades?: boolean;
            heat_inside?: number;
            increase?: boolean;
            insertion?: number;
            insertion_chance?: number;
            insertion_curve?: number[];
            pointing_hit?: boolean;
            /** @description How many, at each step. */
            randomised_layers?: number[];
            rank_correlations?: (number | null)[];
            sum?: number;
        };
        /** @description A setting of a verb, as a form needs it. */
        FieldSchema: {
            choices: string[] | null;
            /** Default */
            default: unknown;
            exclusive: ("minimum" | "maximum")[];
            flag: string;
            help: string;
            maximum: number | null;
            minimum: number | null;
            name: string;
            positional: boolean;
            repeats: boolean;
            required: boolean;
            /** @description What a text names: `a picture`, `a network`, ...; null if nothing is known. */
            takes: string | null;
            title: string;
            /** @enum {string} */
            type: "switch" | "choice" | "integer" | "number" | "text" | "table";
        };
        /** @description A named recipe, and what it fits. */
        FittingRecipe: {
            data: string;
            /** @description Whether it learns from files of the user, too. */
            files: boolean;
            name: string;
            /** @description The sets that it learns from. */
            sets: string[];
            source: string;
            summary: string;
            task: string;
            title: string;
            /** @enum {string} */
            world: "image" | "sound" | "text" | "go" | "vector";
        };
        /** @description Ask for the events of a job, or of all, after a sequence number; of those to come if it is left out. */
        Follow: {
            /** @default null */
            after?: number | null;
            /** @default null */
            id?: string | null;
            stream: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "follow";
        };
        /** @description A function behind a layer, and what it returns. */
        Following: {
            kind: string;
            layer: string;
            value: number;
        };
        /** @description How a unit computes. */
        Formula: {
            latex: string | null;
            term_count: number;
            text: string;
        };
        /** @description What stands before the maps of a frame. */
        FrameHeader: {
            layers: components["schemas"]["FrameLayer"][];
            /** @description What the forward pass took in the worker. */
            ms?: number;
            /**
             * @description Which of the three frames it is, where networks are compared; a difference is second minus first.
             * @enum {string}
             */
            part?: "first" | "second" | "difference";
            pieces?: components["schemas"]["Piece"][];
            /** @description Of the classes; null for a network that is no classifier. */
            probabilities: number[] | null;
            /** @description How much of a photograph the network sees, where edges are cropped away. */
            said?: string[];
            said_zh?: string[];
            /** @description Number of the input. */
            seq: number;
            /** @description Those with scaled units, where any are. */
            steered_probabilities?: number[] | null;
            /** @constant */
            type: "maps";
        };
        /** @description Where the maps of a layer are in a frame: see `convscope.lab.live.frames`. */
        FrameLayer: {
            name: string;
            offset: number;
            /** @description Maps, rows, columns. */
            shape: [
                number,
                number,
                number
            ];
        };
        /** @description A game: the moves, and what was on the board before. */
        Game: {
            /** @default [] */
            black?: string[];
            /**
             * @default
             * @enum {string}
             */
            first?: "" | "black" | "white";
            /** @default 0 */
            handicap?: number;
            /** @default 7.5 */
            komi?: number;
            /** @default [] */
            moves?: string[];
            /** @default 9 */
            size?: number;
            /** @default false */
            superko?: boolean;
            /** @default [] */
            white?: string[];
        };
        /** @description There is no such job, or not any more. */
        GoneEvent: {
            /** @constant */
            event: "gone";
            id: string;
            stream: number;
            /** @constant */
            type: "job";
        };
        /** @description A network that is given as text: its layers up to the first error. */
        GraphAnswer: {
            edges: components["schemas"]["Edge"][];
            errors: components["schemas"]["GraphError"][];
            inputs: {
                [key: string]: number[];
            };
            layers: components["schemas"]["Layer"][];
            macs: number;
            outputs: string[];
            parameters: number;
        };
        /** @description What is wrong with a network that is given as text. */
        GraphError: {
            expected: string;
            hint: string;
            /** @description Index of the layer that is wrong, where one is. */
            layer: number | null;
            received: string;
        };
        /** @description A chain of layers, and the shape of its input. */
        GraphText: {
            /** @default 1x28x28 */
            input?: string;
            text: string;
        };
        /** @description An uploaded file, as a job has it. */
        HandedFile: {
            id: string;
            name: string;
        };
        /** @description A folder that was handed over, as a job has it. */
        HandedSet: {
            name: string;
            set: string;
            /** @description How many corrections count. */
            version: number;
        };
        /** @description The class that loses most without a unit. */
        HurtClass: {
            ablated: number;
            accuracy: number;
            name: string;
        };
        /**
         * @description Give an input; the newest one counts.
         *
         *     `example` is the number of a packaged example, `sample` an index in the bundled data, as on unit cards.
         */
        Input: {
            /** @default null */
            data?: string | null;
            /** @default null */
            example?: number | null;
            /** @default null */
            game?: components["schemas"]["Game"] | null;
            /** @default null */
            sample?: number | null;
            seq: number;
            /** @default null */
            text?: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "input";
            /** @default null */
            upload?: string | null;
        };
        /** @description The input of a network, and the names of its answers. */
        InputSpec: {
            axes: string;
            classes: string[];
            kind: string;
            sample_rate: number | null;
            shape: number[];
            value_range: [
                number,
                number
            ];
        };
        /** @description Ask for the numbers behind one unit at one position of the present input. */
        Inspect: {
            address: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "inspect";
        };
        /** @description The numbers behind one unit at one position: those of `see.unit_terms`. */
        Inspection: {
            /** @description The one that was inspected: with its position. */
            address: string;
            bias: number | null;
            channels: [
                number,
                number
            ];
            following: components["schemas"]["Following"][];
            kind: string;
            requested_address: string;
            seq: number;
            /** @description Of window and weights: channels, then the kernel's axes. */
            shape: number[];
            sum: number | null;
            /** @description For each axis the positions that are read; those outside the layer are padding. */
            taps: number[][];
            /** @constant */
            type: "inspected";
            value: number;
            weights: number[] | null;
            window: number[];
        };
        /** @description A job with its document: what its verb prints with `--json`, so far. */
        Job: {
            artifacts: components["schemas"]["Artifact"][];
            cancelling: boolean;
            command: string;
            created: number;
            document: {
                [key: string]: unknown;
            } | null;
            ended: number | null;
            error: components["schemas"]["LabError"] | null;
            fraction: number;
            id: string;
            message: string;
            seconds_left: number | null;
            settings: {
                [key: string]: unknown;
            };
            started: number | null;
            /** @enum {string} */
            state: "queued" | "running" | "done" | "failed" | "cancelled" | "interrupted";
            uploads: {
                [key: string]: (components["schemas"]["HandedFile"] | components["schemas"]["HandedSet"])[];
            };
            verb: string;
        };
        JobEvent: components["schemas"]["StateEvent"] | components["schemas"]["ProgressEvent"] | components["schemas"]["LogEvent"] | components["schemas"]["ArtifactEvent"] | components["schemas"]["DocumentEvent"] | components["schemas"]["RequestEvent"] | components["schemas"]["TrainingEvent"] | components["schemas"]["GoneEvent"];
        /** @description A job that was begun. */
        JobId: {
            id: string;
        };
        /** @description What to do. */
        JobRequest: {
            /** @default {} */
            settings?: {
                [key: string]: unknown;
            };
            /** @default {} */
            uploads?: {
                [key: string]: (components["schemas"]["UploadedFile"] | components["schemas"]["UploadedSet"] | string)[];
            };
            verb: string;
        };
        /** @description The state of a job. */
        JobState: {
            /** @enum {string} */
            state: "queued" | "running" | "done" | "failed" | "cancelled" | "interrupted";
        };
        /** @description A job without its document. */
        JobSummary: {
            artifacts: components["schemas"]["Artifact"][];
            cancelling: boolean;
            command: string;
            /** @description Seconds since 1970, as all times. */
            created: number;
            ended: number | null;
            error: components["schemas"]["LabError"] | null;
            fraction: number;
            id: string;
            message: string;
            seconds_left: number | null;
            settings: {
                [key: string]: unknown;
            };
            started: number | null;
            /** @enum {string} */
            state: "queued" | "running" | "done" | "failed" | "cancelled" | "interrupted";
            uploads: {
                [key: string]: (components["schemas"]["HandedFile"] | components["schemas"]["HandedSet"])[];
            };
            verb: string;
        };
        /** @description The weights of a unit, row by row. */
        Kernel: {
            shape: number[];
            values: number[];
        };
        /** @description The kernels of the first layer. */
        Kernels: {
            high: number;
            layer: string;
            low: number;
            /** @description Units, input channels, extent. */
            shape: number[];
            /** @description A byte for each weight, from `low` to `high`, in base64. */
            values: string;
        };
        /** @description What went wrong, everywhere: what was expected, what came, and what to do next. */
        LabError: {
            expected: string;
            hint: string;
            received: string;
        };
        /** @description A layer that can be watched. */
        Layer: {
            field: components["schemas"]["ReceptiveField"] | null;
            inputs: string[];
            kind: string;
            macs: number;
            name: string;
            options: {
                [key: string]: unknown;
            };
            parameters: number;
            shape: number[];
        };
        /** @description A kind of layer, and how it is written. */
        LayerKind: {
            kind: string;
            usage: string;
        };
        LiveAnswer: components["schemas"]["Watching"] | components["schemas"]["Inspection"] | components["schemas"]["AttributedWords"] | components["schemas"]["Refusal"];
        /** @description A game record that was read. */
        LoadedGame: {
            game: components["schemas"]["ReadGame"];
            names: components["schemas"]["Players"];
            result: string;
            warnings: string[];
        };
        /** @description A job says something. */
        LogEvent: {
            /** @constant */
            event: "log";
            id: string;
            seq: number;
            stream: number;
            text: string;
            /** @constant */
            type: "job";
        };
        /** @description Which methods the metrics favour for a target: `see.attribution.MethodComparison`. */
        MethodVerdict: {
            /** @description Names of methods. */
            best: string[];
            chance: {
                [key: string]: number;
            };
            margin: {
                [key: string]: number;
            };
            passing: string[];
            /** @description By method and baseline. */
            scores: {
                [key: string]: {
                    [key: string]: number;
                };
            };
            target: string;
        };
        /** @description A metric of the training's task. */
        Metric: {
            heading: string;
            higher_is_better: boolean;
            name: string;
        };
        /** @description A network with its layers. */
        Network: {
            checkpoints: components["schemas"]["Checkpoint"][];
            command: string;
            /** @description Name of the labelled data that ships for its inputs. */
            data: string | null;
            /** @description Names of the layers that are watched where none are named. */
            default_layers: string[];
            display: components["schemas"]["Display"];
            examples: boolean;
            layers: components["schemas"]["Layer"][];
            macs: number;
            name: string;
            parameters: number;
            spec: components["schemas"]["InputSpec"];
            text: string | null;
            trained: boolean;
            world: string;
        };
        /** @description A network in the list. */
        NetworkSummary: {
            classes: number;
            name: string;
            /** @enum {string} */
            origin: "shipped" | "zoo" | "run";
            shape: number[];
            summary: string;
            trained: boolean;
            world: string;
        };
        /** @description Where the training is; empty before its first step. */
        Now: {
            epoch?: number;
            loss?: number | null;
            lr?: number;
            metrics?: {
                [key: string]: number | null;
            };
            samples_per_second?: number;
            step?: number;
            steps?: number;
        };
        /** @description What became of something that the training was asked for. */
        Outcome: {
            /** @enum {string} */
            action: "pause" | "resume" | "lr" | "freeze" | "thaw";
            epoch: number;
            error: components["schemas"]["LabError"] | null;
            step: number;
            value: unknown;
        };
        /** @description A word or a character of an input, as the network divides it. */
        Piece: {
            /** @description Its first position of the input. */
            first: number;
            /** @description What stands between it and the next one. */
            gap: string;
            /** @description The one after its last. */
            last: number;
            text: string;
        };
        /** @description One plane that a network sees. */
        Plane: {
            name: string;
            values: number[];
        };
        /** @description Who played. */
        Players: {
            black: string;
            white: string;
        };
        /** @description A position; stones are 0 empty, 1 black and 2 white, row by row from the top. */
        Position: {
            ko: string | null;
            last: string | null;
            legal: string[];
            move: number;
            net: string;
            over: boolean;
            planes?: components["schemas"]["Plane"][];
            policy?: number[];
            prisoners: components["schemas"]["Prisoners"];
            size: number;
            stones: number[][];
            suggested?: components["schemas"]["Suggestion"][];
            /** @enum {string} */
            to_play: "black" | "white";
        };
        /** @description Stones that each side has captured. */
        Prisoners: {
            black: number;
            white: number;
        };
        /** @description Programs that classify a file. */
        Programs: {
            curl: string;
            python: string;
            terminal: string;
        };
        /** @description How far a job is; it stands for all earlier ones. */
        ProgressEvent: {
            /** @constant */
            event: "progress";
            fraction: number;
            id: string;
            message: string;
            seconds_left: number | null;
            seq: number;
            stream: number;
            /** @constant */
            type: "job";
        };
        /** @description A question about a game. */
        Question: {
            game?: components["schemas"]["Game"];
            net?: string | null;
        };
        /** @description A game as questions take it. */
        ReadGame: {
            black: string[];
            /** @enum {string} */
            first: "black" | "white";
            handicap: number;
            komi: number;
            moves: string[];
            size: number;
            superko: boolean;
            white: string[];
        };
        /** @description The part of the input that a unit depends on, for each axis. */
        ReceptiveField: {
            /** @description For each axis, whether every unit reads the input from end to end. */
            covers_all: boolean[];
            offset: number[];
            size: number[];
            stride: number[];
        };
        /** @description A game record, its bytes in base64. */
        Record: {
            sgf: string;
        };
        /** @description A unit that does the same as an earlier one. */
        Redundant: {
            correlation: number;
            earlier: number;
            unit: number;
        };
        /** @description Why a message has no answer. */
        Refusal: {
            /** @description The address, where an inspection was asked for; the class, where word attributions were. */
            detail?: string | number | null;
            expected: string;
            hint: string;
            /**
             * @description What was asked; left out for a message that could not be read.
             * @enum {string}
             */
            question?: "watch" | "maps" | "inspect" | "word_attributions";
            received: string;
            /** @constant */
            type: "error";
        };
        /** @description Every answer whose status says that something went wrong. */
        Refused: {
            error: components["schemas"]["LabError"];
        };
        /** @description A part of an upload as the network sees it: of each axis the first pixel and the one after the last. */
        Region: {
            region: [
                number,
                number
            ][];
            upload: string;
        };
        /** @description A unit, and what it answers to a part of an input: the fields of `see.units.RegionUnit`. */
        RegionUnit: {
            address: string;
            /** @description Standard deviations above the mean over the data; null where no data ships. */
            deviation: number | null;
            /** @description Where that is on its feature map. */
            position: number[];
            unit: number;
            /** @description Its largest value at the positions of the part. */
            value: number;
        };
        /** @description The units of a layer that respond most to a part of an input. */
        RegionUnits: {
            /** @description The share of the data that was looked through; null where no data ships. */
            indexed: number | null;
            units: components["schemas"]["RegionUnit"][];
        };
        /** @description What was removed: its id, or how many. */
        Removed: {
            removed: string | number;
        };
        /** @description The network's move, once it is found. */
        Reply: {
            done: boolean;
            fraction: number;
            move?: string;
            resigns?: boolean;
            winrate?: number | null;
        };
        /** @description What a training was asked for. */
        RequestedAction: {
            /** @enum {string} */
            requested_action: "pause" | "resume" | "lr" | "freeze" | "thaw";
        };
        /** @description A training was asked for something; `control` says what became of it. */
        RequestEvent: {
            /** @enum {string} */
            action: "pause" | "resume" | "lr" | "freeze" | "thaw";
            /** @constant */
            event: "request";
            id: string;
            seq: number;
            stream: number;
            /** @constant */
            type: "job";
            value: unknown;
        };
        /** @description A game record, in base64. */
        SavedGame: {
            sgf: string;
        };
        /** @description A unit and the factor by which it is multiplied. */
        Scale: {
            address: string;
            scale: number;
        };
        /** @description The area score, and the stones that random games call dead. */
        Score: {
            dead: string[];
            komi: number;
            margin: number;
            score: string;
        };
        /** @description How many positions are searched; 0 asks the policy alone. */
        Search: {
            game?: components["schemas"]["Game"];
            net?: string | null;
            /** @default 0 */
            visits?: number;
        };
        /** @description What a search has found so far. */
        Searched: {
            done: boolean;
            max_visits: number;
            moves: components["schemas"]["SearchedMove"][];
            visits: number;
            winrate: number | null;
        };
        /** @description A move that was searched. */
        SearchedMove: {
            line: string[];
            point: string;
            prior: number;
            visits: number;
            winrate: number | null;
        };
        /** @description The files of a folder. */
        SetRequest: {
            files: components["schemas"]["UploadedFile"][];
        };
        /** @description A heatmap over a spectrogram. */
        SpectrogramHeat: {
            /** @description Of each row; empty for an MFCC. */
            hertz: number[];
            /** @description Of each column. */
            seconds: number[];
            /** @description A list for each row, low frequencies first. */
            values: number[][];
        };
        /** @description Which position it is; with the policy's probabilities, and with the planes that the network sees. */
        State: {
            game?: components["schemas"]["Game"];
            /** @default false */
            hints?: boolean;
            net?: string | null;
            /** @default false */
            planes?: boolean;
        };
        /** @description A job has changed its state, or is asked to end. */
        StateEvent: {
            cancelling?: boolean;
            error?: components["schemas"]["LabError"] | null;
            /** @constant */
            event: "state";
            id: string;
            message?: string;
            seq: number;
            /** @enum {string} */
            state: "queued" | "running" | "done" | "failed" | "cancelled" | "interrupted";
            stream: number;
            tries?: number;
            /** @constant */
            type: "job";
            verb?: string;
        };
        /** @description The state of the server. */
        Status: {
            device: string | null;
            folder: string;
            /** @enum {string} */
            lang_default: "auto" | "en" | "zh";
            torch_ready: boolean;
            version: string;
            workers: {
                [key: string]: string;
            };
        };
        /** @description Multiply units while the rest of the network runs on; an empty list ends it. */
        Steer: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "steer";
            units: components["schemas"]["Scale"][];
        };
        /** @description A point and its probability. */
        Suggestion: {
            point: string;
            probability: number;
        };
        /** @description A test sample with its class and the prediction. */
        TestSample: {
            /** @description Path below the folder of the data. */
            file: string | null;
            index: number;
            label: number;
            prediction: number;
            /** @description Of the prediction. */
            probability: number;
            text: string | null;
        };
        /** @description The test samples of each cell of the confusion matrix, as tiles of one picture. */
        TestSamples: {
            columns: number;
            image: string | null;
            samples: components["schemas"]["TestSample"][];
            /** @description Whether they can be heard. */
            sound: boolean;
            tile: number;
        };
        /** @description Thumbnails of one size, on sheets. */
        ThumbnailLevel: {
            /** @description Thumbnails in a row of a sheet, and rows of it. */
            columns: number;
            sheets: number;
            side: number;
        };
        /** @description The pictures of all inputs. */
        Thumbnails: {
            /** @enum {string} */
            format: "png" | "webp";
            ink: boolean;
            /** @description The largest size first. */
            levels: components["schemas"]["ThumbnailLevel"][];
        };
        /**
         * @description A real input on which a unit is strong.
         *
         *     `sample` is its index in the data that ships; `crop` what the unit depends on: first position of each axis,
         *     then the one after the last; `text` its words, where it is one.
         */
        TopInput: {
            class: string;
            crop: number[];
            position: number[];
            sample: number;
            text?: string;
            url: string;
            value: number;
        };
        /** @description A training as it is, and how it came there. */
        Training: {
            controls: components["schemas"]["Outcome"][];
            /** @description Points: `epochs_done` with a fraction, `loss`, `lr`, and metrics of the epoch so far. */
            curve: {
                [key: string]: number | null;
            }[];
            epochs: components["schemas"]["TrainingEpoch"][];
            frozen: string[];
            kernels: components["schemas"]["Kernels"] | null;
            lr_changes: {
                [key: string]: unknown;
            }[];
            max_lr: number | null;
            metrics: components["schemas"]["Metric"][];
            now: components["schemas"]["Now"];
            paused: boolean;
            planned_epochs: number;
            run: string;
            samples: components["schemas"]["TestSamples"] | null;
            test: {
                [key: string]: unknown;
            } | null;
        };
        /** @description A finished epoch. */
        TrainingEpoch: {
            best: boolean;
            epochs: number;
            index: number;
            lr: number;
            memory_format: string;
            metrics: {
                [key: string]: number | null;
            };
            precision: string;
            problems: number;
            samples_per_second: number;
            seconds: number;
            stopped: boolean;
            test_metrics: {
                [key: string]: number | null;
            };
            validation_metrics: {
                [key: string]: number | null;
            };
            worst: string;
        };
        /** @description A training has got on: its fields are those of the field of the job's document of the same name. */
        TrainingEvent: {
            /** @enum {string} */
            event: "metric" | "epoch" | "control" | "training";
            id: string;
            seq: number;
            stream: number;
            /** @constant */
            type: "job";
        };
        /** @description End the events of a stream. */
        Unfollow: {
            stream: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "unfollow";
        };
        /** @description The card of a unit. */
        Unit: {
            activation: string | null;
            address: string;
            bias: number | null;
            code: string;
            command: string;
            data: string | null;
            formula: components["schemas"]["Formula"];
            /** @description The share of the data that was looked through; null where no data ships. */
            indexed: number | null;
            kernel: components["schemas"]["Kernel"] | null;
            layer: components["schemas"]["Layer"];
            padding: number[] | string | null;
            stride: number[] | null;
            top: components["schemas"]["TopInput"][];
            visualization: components["schemas"]["Visualization"] | null;
        };
        /** @description The units of a layer, or some of them. */
        UnitList: {
            /** @description The same for redundant units. */
            compared: number | null;
            /** @description Units of the layer. */
            count: number;
            data: string | null;
            /** @description Share of the data that was looked through for statistics. */
            indexed: number | null;
            layer: components["schemas"]["Layer"];
            net: string;
            units: components["schemas"]["UnitSummary"][];
        };
        /** @description A unit in a list; what is not known yet, or cannot be known, is null. */
        UnitSummary: {
            address: string;
            dead: boolean | null;
            /** @description The share of the data on which it is nowhere above 0. */
            inactive_share: number | null;
            /** @description Name of its class, of a unit of the output. */
            label: string;
            max: number | null;
            mean: number | null;
            redundant: components["schemas"]["Redundant"] | null;
            saturated: boolean | null;
            top: components["schemas"]["TopInput"] | null;
            unit: number;
            visualization: components["schemas"]["Visualization"] | null;
        };
        /** @description A file that was handed over. */
        Uploaded: {
            bytes: number;
            /** @description By which other requests name it. */
            id: string;
            name: string;
        };
        /** @description An upload, and what the user calls it. */
        UploadedFile: {
            id: string;
            /** @default  */
            name?: string;
        };
        /** @description A folder that was handed over (`POST /uploaded-sets`), as it is corrected now. */
        UploadedSet: {
            /** @default  */
            name?: string;
            set: string;
            version?: number | null;
        };
        /** @description A verb with its settings. */
        VerbSchema: {
            fields: components["schemas"]["FieldSchema"][];
            help: string;
            summary: string;
            verb: string;
        };
        /** @description A verb in the list. */
        VerbSummary: {
            summary: string;
            verb: string;
        };
        /** @description Where the feature visualization of a unit is fetched. */
        Visualization: {
            url: string;
        };
        /** @description Choose the network and the layers that are watched; None for those that fit into a frame. */
        Watch: {
            /** @default null */
            compared?: components["schemas"]["Compared"] | null;
            /** @default null */
            layers?: string[] | null;
            net: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "watch";
        };
        /** @description A network is watched from now on. */
        Watching: {
            layers: components["schemas"]["Layer"][];
            net: string;
            /** @constant */
            type: "watching";
        };
        /** @description Ask what each word of the present text adds to an answer: of the likeliest class, or another. */
        WordAttributions: {
            /** @default null */
            target?: number | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "word_attributions";
        };
        /** @description What can be trained on in one world. */
        WorldChoices: {
            recipes: components["schemas"]["FittingRecipe"][];
            sets: components["schemas"]["DataSet"][];
            /** @description The recipe that is proposed; empty for none. */
            start: string;
            /** @enum {string} */
            world: "image" | "sound" | "text" | "go" | "vector";
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    datasets_api_v1_datasets_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description For each world `world`, `sets` (`name`, `published`, `ready`), `recipes` (`name`, `title`, `summary`, `source`, `task`, `world`, `data`, `sets` and `files`: what they fit) and `start`, the recipe that is proposed. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorldChoices"][];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    analysis_api_v1_go_analysis_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Analysis"];
            };
        };
        responses: {
            /** @description The moves that were searched. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Searched"] | components["schemas"]["Compiling"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    load_api_v1_go_load_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Record"];
            };
        };
        responses: {
            /** @description The game, as other questions take it, and warnings. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LoadedGame"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    reply_api_v1_go_reply_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Search"];
            };
        };
        responses: {
            /** @description The move. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Reply"] | components["schemas"]["Compiling"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    save_api_v1_go_save_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Question"];
            };
        };
        responses: {
            /** @description `sgf`, in base64. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SavedGame"] | components["schemas"]["Compiling"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    score_api_v1_go_score_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Question"];
            };
        };
        responses: {
            /** @description The score. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Score"] | components["schemas"]["Compiling"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    state_api_v1_go_state_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["State"];
            };
        };
        responses: {
            /** @description The position. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Position"] | components["schemas"]["Compiling"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    graph_api_v1_graph_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GraphText"];
            };
        };
        responses: {
            /** @description What `convscope.graph.describe` returns of the layers before the first error, and `errors`, each with `layer` (index of the layer; null where no single one is wrong), `expected`, `received` and `hint`. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GraphAnswer"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    kinds_api_v1_graph_kinds_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `kind` and `usage` of each (`conv OUT_CHANNELS KERNEL_SIZE [stride=1] ...`). */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LayerKind"][];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    list_jobs_api_v1_jobs_get: {
        parameters: {
            query?: {
                /** @description how many at most. */
                limit?: number;
                /** @description only those in this state. */
                state?: ("queued" | "running" | "done" | "failed" | "cancelled" | "interrupted") | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The jobs. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobSummary"][];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    create_job_api_v1_jobs_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobRequest"];
            };
        };
        responses: {
            /** @description `id` of the job. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobId"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    get_job_api_v1_jobs__id__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description the job. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    remove_job_api_v1_jobs__id__delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description the job. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `removed`: the id. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Removed"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    get_ablation_api_v1_jobs__id__ablation_get: {
        parameters: {
            query: {
                /** @description address of the unit, such as `conv1:3`. */
                unit: string;
            };
            header?: never;
            path: {
                /** @description the job. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `unit`, `samples`, `accuracy`, `ablated` (the accuracy without the unit), `changed` (share of the answers) and `hurt` (the class that loses most: `name`, `accuracy`, `ablated`; or null). */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Ablation"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    get_artifact_api_v1_jobs__id__artifacts__index__get: {
        parameters: {
            query?: {
                /** @description longest side of a picture in pixels, for a smaller one. */
                size?: number | null;
            };
            header?: never;
            path: {
                /** @description the job. */
                id: string;
                /** @description number of the file among the job's artifacts. */
                index: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    cancel_job_api_v1_jobs__id__cancel_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description the job. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `state` of the job now. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobState"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    control_job_api_v1_jobs__id__control_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description the job. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ControlRequest"];
            };
        };
        responses: {
            /** @description `requested_action`: the action. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RequestedAction"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    upload_input_api_v1_jobs__id__embedding_inputs__index__post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description the job. */
                id: string;
                /** @description number of the input in the data. */
                index: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `id`, by which other requests name it, `bytes` and `name`. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Uploaded"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    get_input_api_v1_jobs__id__embedding_inputs__index___format__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `png`, or `wav` for a network of sounds. */
                format: "png" | "wav";
                /** @description the job. */
                id: string;
                /** @description number of the input in the data. */
                index: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file, encoded anew. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    get_points_api_v1_jobs__id__embedding_points_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description the job. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file that the job has written. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    get_thumbnails_api_v1_jobs__id__embedding_thumbnails__side___number__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description the job. */
                id: string;
                /** @description of the sheet, from 0. */
                number: number;
                /** @description side of its thumbnails in pixels, one of the document's `thumbnails.levels`. */
                side: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description PNG with the amount of ink, or WebP in colours. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    get_unit_api_v1_jobs__id__embedding_units__unit__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description the job. */
                id: string;
                /** @description its number. */
                unit: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Little-endian 32-bit floats, in the order of the inputs. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    stream_events_api_v1_jobs__id__events_get: {
        parameters: {
            query?: {
                /** @description number of the last event that is known. */
                after?: number;
            };
            header?: {
                /** @description the same, as a browser sends it when it connects again. */
                "last-event-id"?: number | null;
            };
            path: {
                /** @description the job. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The events; their ids are their numbers. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": unknown;
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    get_test_sample_api_v1_jobs__id__samples__index__get: {
        parameters: {
            query?: {
                /** @description `png`, or `wav` for a network of sounds. */
                format?: "png" | "wav";
                /** @description longest side in pixels. */
                size?: number;
            };
            header?: never;
            path: {
                /** @description the job. */
                id: string;
                /** @description number of the sample, as in the training's document. */
                index: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description PNG or WAV. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    clear_jobs_api_v1_jobs_clear_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `removed`: how many. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Removed"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    networks_api_v1_networks_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The networks. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NetworkSummary"][];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    network_api_v1_networks__net__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description its name, with `~` for `/`. */
                net: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The network. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Network"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    examples_api_v1_networks__net__classify_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description name of the network, with `~` for `/`. */
                net: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `curl`, `python` and `terminal`: the text of a program each; the first two read the token from the environment variable `CONVSCOPE_TOKEN`. The last is empty for a checkpoint of a training, which the terminal does not open. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Programs"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    classify_api_v1_networks__net__classify_post: {
        parameters: {
            query?: {
                /** @description number of classes. */
                top?: number;
                /** @description id of a file that was uploaded before, in place of a body. */
                upload?: string | null;
            };
            header?: never;
            path: {
                /** @description name of the network, with `~` for `/`. */
                net: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `net`, `milliseconds` (of the network with its input), `top`, the most probable classes in descending order, each with `unit`, `label` and `probability`, and `said` and `said_zh`: how much of a cropped photograph the network sees. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Classified"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    region_api_v1_networks__net__layers__layer__region_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description name of the layer. */
                layer: string;
                /** @description name of the network, with `~` for `/`. */
                net: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Region"];
            };
        };
        responses: {
            /** @description The units. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RegionUnits"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    layer_units_api_v1_networks__net__layers__layer__units_get: {
        parameters: {
            query?: {
                /** @description which ones, like `1,5,7-9`, in this order; all of them if left out. */
                units?: string;
            };
            header?: never;
            path: {
                /** @description name of the layer. */
                layer: string;
                /** @description name of the network, with `~` for `/`. */
                net: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The list. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnitList"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    unit_api_v1_networks__net__layers__layer__units__unit__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description name of the layer. */
                layer: string;
                /** @description name of the network, with `~` for `/`. */
                net: string;
                /** @description number of the unit, or its label. */
                unit: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The card. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Unit"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    visualization_api_v1_networks__net__layers__layer__units__unit__visualization__format__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `png`, or `wav` for a network of sounds. */
                format: "png" | "wav";
                /** @description name of the layer. */
                layer: string;
                /** @description name of the network, with `~` for `/`. */
                net: string;
                /** @description number of the unit, or its label. */
                unit: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file; 204 before the first step. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    sample_api_v1_networks__net__samples__index___format__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `png`, or `wav` for a network of sounds. */
                format: "png" | "wav";
                /** @description which one. */
                index: number;
                /** @description name of the network, with `~` for `/`. */
                net: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    upload_as_input_api_v1_networks__net__uploads__upload___format__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `png`, or `wav` for a network of sounds. */
                format: "png" | "wav";
                /** @description name of the network, with `~` for `/`. */
                net: string;
                /** @description id of the file. */
                upload: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file, encoded anew. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    status_api_v1_status_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The status; `device` is None until torch is ready, `folder` is that of the trainings. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Status"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    add_api_v1_uploaded_sets_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SetRequest"];
            };
        };
        responses: {
            /** @description As `about`. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CorrectedSet"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    about_api_v1_uploaded_sets__id__get: {
        parameters: {
            query?: {
                /** @description number of corrections that counted in a training, for `file` of each. */
                version?: number | null;
            };
            header?: never;
            path: {
                /** @description the folder. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `id`, `version` (number of entries: corrections, and those that took one back), `count` (files that count), `classes` (how many of each), and `corrections`: `number`, `name` (as the user named the file), `action`, `to`, `undone`, and `file`, where it lay in that training. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CorrectedSet"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    correct_api_v1_uploaded_sets__id__corrections_post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description the folder. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CorrectionRequest"];
            };
        };
        responses: {
            /** @description As `about`, for the version of the request. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CorrectedSet"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    program_api_v1_uploaded_sets__id__corrections_py_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description the folder. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The program, as a file. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    undo_api_v1_uploaded_sets__id__corrections__number__delete: {
        parameters: {
            query?: {
                /** @description as for `about`. */
                version?: number | null;
            };
            header?: never;
            path: {
                /** @description the folder. */
                id: string;
                /** @description of the correction. */
                number: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description As `about`. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CorrectedSet"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    upload_api_v1_uploads_put: {
        parameters: {
            query?: never;
            header?: {
                /** @description its name, percent-encoded. */
                "x-filename"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `id`, by which other requests name it, `bytes` and `name`. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Uploaded"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    get_upload_api_v1_uploads__number__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description its id. */
                number: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `id`, `bytes` and `name`. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Uploaded"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    preview_api_v1_uploads__number__preview_get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description its id. */
                number: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The picture. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    verbs_api_v1_verbs_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `verb` and `summary`, a sentence, of each. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VerbSummary"][];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
    verb_api_v1_verbs__verb__get: {
        parameters: {
            query?: {
                /** @description name of a recipe, whose values are the defaults: `lenet5`. */
                recipe?: string | null;
                /** @description whether they are those of its run of seconds. */
                reduced?: boolean;
                /** @description of a training, such as `detection`. */
                task?: string | null;
            };
            header?: never;
            path: {
                /** @description the verb; two words with a space between them. */
                verb: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description `verb`, `summary`, `help` and `fields`, each with `name`, `title`, `flag`, `type`, `choices`, `default`, `required`, `minimum`, `maximum`, `exclusive`, `repeats`, `help`, `positional` and `takes`. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VerbSchema"];
                };
            };
            /** @description What went wrong. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Refused"];
                };
            };
        };
    };
}
